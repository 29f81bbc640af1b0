"""The Runners that a config names, and what the command line makes of a config."""
