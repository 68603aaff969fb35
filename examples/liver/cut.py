"""How the two crops of this folder were cut from slides of Pathology Atlas; you do not need it to use them.

    python examples/liver/cut.py FOLDER_WITH_THE_SLIDES examples/liver

The places were chosen by position alone, before any score was seen: whole JPEG tiles of the source, outlined liver and
outlined lesion in both, and as much as 3 MB can hold.
"""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import NamedTuple

import click
from shapely import set_precision
from shapely.affinity import translate
from shapely.geometry import box, mapping, shape

from wsi_haloae.atomic import write_text
from wsi_haloae.slide.readers import open_slide
from wsi_haloae.synthetic.pyramid import Compression, write_pyramid


class Place(NamedTuple):
    """A rectangle in pixels of level 0 of the source."""

    left: int
    top: int
    right: int
    bottom: int


CROPS = {
    "liver-hemangioma": Place(2048, 0, 3072, 4864),  # from the liver at the top edge down into the lesion
    "liver-sarcoma": Place(1536, 3584, 9216, 4352),  # the middle rows: as wide in the liver as in the lesion
}
TILE = 256
AS_THE_SOURCE = Compression({"compression": "jpeg", "compressionargs": {"level": 64}, "subsampling": (2, 2)}, 2**31)


@click.command()
@click.argument("source", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.argument("output", type=click.Path(file_okay=False, path_type=Path))
def main(source: Path, output: Path) -> None:
    """Cut the crops from the slides in SOURCE, and their outlines, and write them to OUTPUT."""
    for name, place in CROPS.items():
        cut_pixels(source / f"{name}.tiff", place, output / f"{name}.tiff")
        cut_outlines(source / f"{name}.geojson", place, output / f"{name}.geojson")


def cut_pixels(source: Path, place: Place, path: Path) -> None:
    """Write the pixels of ``place`` as a slide of its own."""
    left, top, right, bottom = place
    with closing(open_slide(source)) as slide:
        write_pyramid(
            path,
            lambda row: [slide.read_region(x, top + row * TILE, 0, TILE, TILE) for x in range(left, right, TILE)],
            width=right - left,
            height=bottom - top,
            mpp=slide.properties.known_mpp()[0],
            tile=TILE,
            compression=AS_THE_SOURCE,
        )


def cut_outlines(source: Path, place: Place, path: Path) -> None:
    """Write what of the outlines lies in ``place``, in whole pixels from its corner."""
    outlines = json.loads(source.read_text(encoding="utf-8"))
    for feature in outlines["features"]:
        inside = shape(feature["geometry"]).intersection(box(*place))
        feature["geometry"] = mapping(set_precision(translate(inside, -place.left, -place.top), 1))
    write_text(path, json.dumps(outlines) + "\n")


if __name__ == "__main__":
    main()
