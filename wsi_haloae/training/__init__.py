"""Reference tiles in, weights out: sources, split, Cut&Paste, batches, Trainer."""
