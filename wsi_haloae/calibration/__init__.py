"""What a score means: p-values from held-out reference tiles, and regions at a stated error rate."""
