"""Files for people and other tools, one module per format. `bundle` writes them all."""
