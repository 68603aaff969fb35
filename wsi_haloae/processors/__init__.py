"""What the machine offers: how many cores may be used, how many threads compute on them, memory and disk."""
