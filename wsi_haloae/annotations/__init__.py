"""Outlines that people drew: read once, for training, regions of interest, evaluation and viewer alike."""
