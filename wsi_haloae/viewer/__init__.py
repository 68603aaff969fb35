"""The web viewer: shows scored slides in a browser on this machine, with the heatmap over the slide."""
