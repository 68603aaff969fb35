"""Slides with known truth: drawn slides and mosaics of real tiles, and the pyramid writer that both use."""
