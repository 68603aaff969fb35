"""What a score means: p-values from held-out reference tiles, and tiles called at a stated error rate."""
