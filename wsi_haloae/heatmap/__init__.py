"""Tile scores laid out on the slide, and the colours that all pictures of them share."""
