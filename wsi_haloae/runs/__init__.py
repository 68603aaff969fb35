"""One module per command, readable from top to bottom: its options, and its steps in order."""
