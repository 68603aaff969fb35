"""What a process may use of the machine: cores and threads, memory that stays, and disk."""
