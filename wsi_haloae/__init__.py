"""Anomaly heatmaps for whole-slide histopathology, trained on reference tiles without annotations.

The folders follow a slide on its way: `slide`, `tiles`, `stores`, `model`, `training`, `scoring`,
`heatmap`, `export`; `runs` ties them together, one function per command.
"""
