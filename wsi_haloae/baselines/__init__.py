"""Anomaly maps without a trained decoder: what HaloAE's own features can do by themselves."""
