"""The decoder study: what block C adds to rivals on the same features, by ingredient (docs/decoder-plan.md)."""
