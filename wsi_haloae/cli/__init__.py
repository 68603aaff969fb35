"""The command line. Each command imports its run inside its function, so that --help is fast.

The import comes after the options are checked: contradicting options are reported before torch is loaded, which takes
seconds.
"""
