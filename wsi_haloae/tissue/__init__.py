"""Find tissue, pen and glass on a thumbnail of a slide."""
