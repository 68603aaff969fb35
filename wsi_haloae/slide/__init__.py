"""Slides: the protocol, OpenSlide, tissue, and synthetic slides with known truth."""
