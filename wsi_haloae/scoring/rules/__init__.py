"""The computations of the scoring rules, one file per family; the table is in `wsi_haloae.config.rules`."""
