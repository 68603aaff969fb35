"""Tiles and scores on disk, in Zarr, resumable shard by shard."""
