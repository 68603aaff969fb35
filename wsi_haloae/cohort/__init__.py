"""Scoring many slides with dask.distributed: distribution to workers, state of each slide, and comparison of slides."""
