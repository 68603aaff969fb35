"""The command line: thin. A command imports its run inside itself, so that --help is fast."""
