"""What a notebook asks for; import all of it from `wsi_haloae` itself.

    model = wsi_haloae.train("a.svs", "model.safetensors", annotations="a.geojson", class_name="Tumor")
    slide = wsi_haloae.open_slide("slide.svs")
    tiles = slide.tile(mpp=0.5)
    scored = wsi_haloae.score(slide, model.path, "results")
    scored.heatmap()        # xarray, coordinates in micrometres
    scored.plot()

The functions are those behind the commands `train-tiles` and `score`, and leave the same files.
"""
