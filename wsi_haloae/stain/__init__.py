"""Stains as optical densities, and a slide's colours brought to those of the reference."""
