"""Parts of tools/quickstart.py."""
