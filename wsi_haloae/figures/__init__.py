"""Pictures with the same bytes on every run: how they are saved, and the common frame of slide pictures."""
