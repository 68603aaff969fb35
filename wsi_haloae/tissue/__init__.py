"""What of a slide is tissue: mask, pen and glass, found on a thumbnail."""
