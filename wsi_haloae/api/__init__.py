"""The public API for notebooks and scripts. Import its names from `wsi_haloae`.

    model = wsi_haloae.train("a.svs", "model.safetensors", annotations="a.geojson", class_name="Tumor")
    slide = wsi_haloae.open_slide("slide.svs")
    tiles = slide.tile(mpp=0.5)
    scored = wsi_haloae.score(slide, model.path, "results")
    scored.heatmap()        # xarray, coordinates in micrometres
    scored.plot()

`train` and `score` do the same as the commands `train-tiles` and `score`, and write the same files.
"""
