"""The processor: which cores may be used, and how many threads compute on them."""
