"""Quality-control flags for tiles (out of focus, pen, fold, glass), measured without a model."""
