"""HaloAE, blocks B to E, its losses, and the checkpoint."""
