"""Outlines that people drew, for training, regions of interest, evaluation and the viewer."""
