"""Anomaly maps without a trained decoder: what HaloAE's own features achieve by themselves."""
