"""Stains as optical densities, and stain normalisation to the colours of the reference."""
