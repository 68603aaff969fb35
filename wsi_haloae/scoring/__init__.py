"""Batches of tiles in, anomaly scores and maps out."""
