"""What a notebook asks for; all of it is to be had from `wsi_haloae` itself.

    slide = wsi_haloae.open_slide("slide.svs")
    tiles = slide.tile(mpp=0.5)
    scored = wsi_haloae.score(slide, "model.safetensors", "results")
    scored.heatmap()        # xarray, coordinates in micrometres
    scored.plot()

The same functions stand behind the commands, so both leave the same files.
"""
