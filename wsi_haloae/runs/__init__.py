"""One function per command, readable from top to bottom."""
