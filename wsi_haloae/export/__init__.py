"""Files that people and other tools read, one module per format; `bundle` writes them all."""
