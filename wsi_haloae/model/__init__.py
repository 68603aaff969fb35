"""HaloAE: blocks C to E, which use the features of block B, the losses, and the checkpoint."""
