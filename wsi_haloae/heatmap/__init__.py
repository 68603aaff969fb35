"""Tile scores placed on the slide, and the colours that all pictures share."""
