"""The command line: thin. A command imports its run inside itself, so that --help is fast.

And only once it has read its options: what they contradict is said before torch is loaded, which takes seconds.
"""
