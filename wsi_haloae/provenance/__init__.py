"""What a model was trained on: its slides, patients, tiles and images, by fingerprint."""
