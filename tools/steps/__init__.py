"""Parts of the tools."""
