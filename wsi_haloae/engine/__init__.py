"""The trained model rewritten for scoring: the same maps, in less time."""
