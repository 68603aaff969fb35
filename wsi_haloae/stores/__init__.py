"""Tiles and scores on disk, in Zarr. An interrupted run continues from the last finished shard."""
