"""Slides with known truth: drawn ones, and mosaics of real tiles; with the pyramid writer that both need."""
