"""What scoring rules compute, one file per family; `wsi_haloae.config.rules` has the table that names them."""
