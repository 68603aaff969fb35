"""Image files of all usual kinds: which lie in a folder, their pixels as 8-bit RGB, and masks."""
