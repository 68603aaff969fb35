"""Measures how well scores agree with the truth."""
