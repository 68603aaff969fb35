"""Many slides on dask.distributed: who scores which, what became of each, and what they say together."""
