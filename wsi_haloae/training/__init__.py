"""Trains a model on reference tiles: split, Cut&Paste, batches, Trainer, choice of the rule, calibration."""
