"""Coordinates of tiles that another program has chosen: read, checked, found for each slide."""
