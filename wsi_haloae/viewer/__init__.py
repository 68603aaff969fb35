"""The web viewer: scored slides in a browser on this machine, heatmap over slide."""
