"""Out of focus, pen, fold and glass: what is wrong with a tile that is no biology, measured without a model."""
