"""Write a synthetic slide with known truth, to try every command on without any download.

    python examples/synthetic_slide.py slide.tif --width 8192 --height 8192 --seed 1
    wsi-haloae info slide.tif
    wsi-haloae train-tiles slide.tif --annotations slide.geojson --class Tumor -o model.safetensors --config demo
    wsi-haloae score slide.tif --model model.safetensors -o results/

Any size up to 70,000 x 70,000; memory does not grow with it.
"""

from pathlib import Path

import click

from wsi_haloae.progress import Reporter
from wsi_haloae.synthetic.slide import write_synthetic_slide


@click.command()
@click.argument("path", type=click.Path(dir_okay=False, path_type=Path))
@click.option("--width", type=click.IntRange(512, 70_000), default=8192, show_default=True)
@click.option("--height", type=click.IntRange(512, 70_000), default=8192, show_default=True)
@click.option("--seed", type=click.IntRange(0), default=0, show_default=True)
def main(path: Path, width: int, height: int, seed: int) -> None:
    """Write PATH, and its truth beside it as GeoJSON."""
    rows = -(-height // 256)
    with Reporter().track(f"Drawing {path.name}", rows, "rows of tiles") as advance:
        truth = write_synthetic_slide(
            path, width=width, height=height, seed=seed, progress=lambda _done, _all: advance(1)
        )
    truth.write_geojson(path.with_suffix(".geojson"))


if __name__ == "__main__":
    main()
