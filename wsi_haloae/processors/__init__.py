"""The processor: how many cores may be used, and how many threads compute on them."""
