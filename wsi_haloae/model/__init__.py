"""HaloAE, blocks C to E around the features of block B, its losses, and the checkpoint."""
