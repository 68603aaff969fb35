"""What a process uses of the machine: how many cores and threads, and memory that stays."""
