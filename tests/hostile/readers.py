"""The readers that are fed with damaged files: for each, real files of its kind, and how it reads one.

A reader may raise `WsiHaloaeError`, nothing else. What it imports is imported on use, because each runs by itself.
"""

from __future__ import annotations

import gzip
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tests.data_paths import DATA, REPOSITORY
from tests.hostile.slide_files import make_profiles, make_slides, read_profile, read_slide
from tests.workspace.dicom_files import BIG, EXPLICIT, IMPLICIT, dicom


@dataclass(frozen=True)
class FuzzedReader:
    """``make`` fills a folder with files, any of which is then damaged; ``read`` gets the damaged file and the folder.

    ``seldom`` is how many times fewer inputs a slow reader gets.
    """

    make: Callable[[Path], None]
    read: Callable[[Path, Path], object]
    seldom: int = 1


def _make_dicom(folder: Path) -> None:
    for name, syntax in {"explicit": EXPLICIT, "implicit": IMPLICIT, "big": BIG}.items():
        dicom(folder / f"{name}.dcm", "1.2.34", syntax)


def _read_dicom(path: Path, _folder: Path) -> None:
    from wsi_haloae.slide.dicom import read_dicom

    read_dicom(path)


def _make_images(folder: Path) -> None:
    import tifffile
    from PIL import Image

    from wsi_haloae.images.orientation import TAG

    rng = np.random.default_rng(0)
    rgb = Image.fromarray(rng.integers(0, 255, (48, 48, 3), dtype=np.uint8))
    deep = rng.integers(0, 65535, (48, 48, 3), dtype=np.uint16)
    for suffix in ("png", "jpg", "bmp", "webp", "tif"):
        rgb.save(folder / f"rgb.{suffix}")
    rgb.convert("P").save(folder / "palette.png")
    rgb.convert("RGBA").save(folder / "alpha.png")
    rgb.convert("RGBA").save(folder / "alpha.webp", lossless=True)
    rgb.convert("CMYK").save(folder / "cmyk.jpg")
    exif = Image.Exif()
    exif[TAG] = 6
    rgb.save(folder / "turned.jpg", exif=exif)
    Image.fromarray(deep[..., 0]).save(folder / "deep.png")
    for compression in (None, "zlib", "lzw", "jpeg"):
        depth = deep if compression != "jpeg" else np.asarray(rgb)
        tifffile.imwrite(
            folder / f"{compression}.tif", depth, photometric="rgb", compression=compression, rowsperstrip=8
        )
    tifffile.imwrite(folder / "tiled.tif", deep, photometric="rgb", compression="zlib", tile=(16, 16), bigtiff=True)


def _read_image(path: Path, _folder: Path) -> None:
    from wsi_haloae.errors import WsiHaloaeError
    from wsi_haloae.images.masks import decode_mask
    from wsi_haloae.images.orientation import is_turned
    from wsi_haloae.images.tile_size import common_tile_size
    from wsi_haloae.mvtec.image_reading import read_square

    refused = []
    for read in (
        lambda: read_square(path, 32),
        lambda: decode_mask(path),
        lambda: is_turned(path),
        lambda: common_tile_size([path]),
    ):
        try:
            read()
        except WsiHaloaeError as error:
            refused.append(error)
    if refused:
        raise refused[0]


def _make_geojson(folder: Path) -> None:
    angles = np.linspace(0, 2 * np.pi, 40)
    blob = (500 + 300 * np.stack([np.cos(angles), np.sin(angles)], 1)).round(1).tolist()
    hole = (500 + 100 * np.stack([np.cos(angles), np.sin(angles)], 1)).round(1).tolist()
    crossed = [[0, 0], [400, 400], [400, 0], [0, 400], [0, 0]]
    shapes = (
        {"type": "Polygon", "coordinates": [[*blob[:-1], blob[0]], [*hole[:-1], hole[0]]]},
        {"type": "MultiPolygon", "coordinates": [[crossed], [[*hole[:-1], hole[0]]]]},
        {"type": "Point", "coordinates": [3, 4]},
        {"type": "LineString", "coordinates": [[3, 4], [5, 6]]},
    )
    features: list[dict[str, object]] = [
        {"type": "Feature", "geometry": shape, "properties": {"objectType": "annotation", "classification": name}}
        for shape, name in zip(
            shapes, ({"name": "Tumor", "color": [200, 0, 0]}, {"names": ["a"]}, "Reference", None), strict=True
        )
    ]
    both = {"type": "GeometryCollection", "geometries": [{**shapes[0], "isEllipse": True}, shapes[2]]}
    child = {"type": "Feature", "geometry": both, "properties": {"classification": {"names": ["Tumor", "Positive"]}}}
    features[0]["properties"] = {"objectType": "annotation", "classification": "Tumor", "childObjects": [child]}
    collection = json.dumps({"type": "FeatureCollection", "features": features})
    (folder / "collection.geojson").write_text(collection)
    (folder / "list.geojson").write_text(json.dumps(features, indent=1))
    (folder / "one.geojson").write_text(json.dumps(features[0]))
    (folder / "packed.geojson.gz").write_bytes(gzip.compress(collection.encode()))
    for real in sorted((DATA / "wsi").glob("*.geojson")):
        shutil.copyfile(real, folder / real.name)


def _read_annotations(path: Path, _folder: Path) -> None:
    from wsi_haloae.annotations.anchors import anchor_tiles
    from wsi_haloae.annotations.coverage import coverage
    from wsi_haloae.annotations.reading import read_annotations

    places = np.stack(np.meshgrid(np.arange(0, 1000, 100), np.arange(0, 1000, 100)), -1).reshape(-1, 2)
    found = read_annotations(path, None)
    for region in (found.everything(), *found.by_class.values()):
        coverage(region, places, np.full_like(places, 100))
    anchor_tiles(path, None, places, np.full_like(places, 100))


def _make_other_annotations(folder: Path) -> None:
    from tests.annotations.written import Shape, asap, box, dsa, imagescope

    shapes = [
        Shape("Tumor: Positive", box(100, 100, 700, 600)),
        Shape("Necrosis", [[200, 200], [400, 400], [400, 200], [200, 400], [200, 200]]),
        Shape("Reference", [[300, 300]], is_point=True),
        Shape("", box(0, 0, 900, 900)),
    ]
    dsa(folder / "dsa.json", shapes)
    asap(folder / "asap.xml", shapes)
    imagescope(folder / "imagescope.xml", shapes)
    (folder / "packed.xml.gz").write_bytes(gzip.compress((folder / "asap.xml").read_bytes()))


def _make_manifests(folder: Path) -> None:
    rows = [
        "path,mpp,patient,site,group,annotations,split",
        *(f"s{n}.svs,0.5,p{n // 2},A,g,s{n}.geojson,train" for n in range(8)),
    ]
    (folder / "slides.csv").write_text("\n".join(rows))
    (folder / "tabs.csv").write_text("\n".join(rows).replace(",", "\t"), encoding="utf-16")
    (folder / "stated.csv").write_text("sep=;\n" + "\n".join(rows).replace(",", ";").replace("s1", "d\\s1"))
    (folder / "quoted.csv").write_text('path,patient\n"a, b.svs","p ""1"""\nc.svs,=1+1\n')


def _read_manifest(path: Path, _folder: Path) -> None:
    from wsi_haloae.workspace.slide_inputs import find_slides

    find_slides([str(path)], mpp=None, override_mpp=None, name_by="parent")


def _make_cohort(folder: Path) -> None:
    rows = [
        "name,path,patient,group,state,error,attempts,seconds,tiles,worker",
        "a,/d/a.svs,p,g,done,,1,4.6,120,w1",
        "b,/d/b.svs,NA,g,failed,it broke,2,,,w2",
        "c,/d/c.svs,,,waiting,,,,,",
    ]
    (folder / "cohort.csv").write_text("\n".join(rows) + "\n")


def _read_status(_path: Path, folder: Path) -> None:
    from wsi_haloae.cohort.status import describe

    describe(folder)


def _make_configs(folder: Path) -> None:
    for number, preset in enumerate(sorted((REPOSITORY / "configs").rglob("*.yaml"))[:12]):
        shutil.copyfile(preset, folder / f"{number}-{preset.name}")


def _read_config(path: Path, _folder: Path) -> None:
    from wsi_haloae.config import load_config

    load_config(str(path))


def _make_checkpoint(folder: Path) -> None:
    from tests.model.tiny import tiny_checkpoint

    tiny_checkpoint().save(folder / "model.safetensors")


def _read_checkpoint(path: Path, _folder: Path) -> None:
    from wsi_haloae.model.checkpoint import Checkpoint

    Checkpoint.load(path)


def _make_scores(folder: Path) -> None:
    from tests.export.stores import Scene, make_store

    make_store(folder / "a/scores.zarr", Scene(width=300, height=200, map_size=4), p_value=np.full(20, 0.5, np.float32))


def _read_scores(_path: Path, folder: Path) -> None:
    from wsi_haloae.heatmap.assembly import assemble_heatmap
    from wsi_haloae.heatmap.pixel_map import assemble_map
    from wsi_haloae.stores.score_store import ScoreStore
    from wsi_haloae.stores.scored_tiles import ScoredTiles

    store = ScoreStore.open(folder / "a/scores.zarr")
    store.pending_shards()
    store.unreadable()
    ScoredTiles.read(store)
    assemble_heatmap(store)
    assemble_map(store).values.compute()
    store.thumbnail()
    store.tissue_parts()
    store.reference_scores()


def _make_tiles(folder: Path) -> None:
    from tests.stores.make import make_tile_store

    tiles = make_tile_store(folder / "tiles.zarr", 70)
    pixels = np.random.default_rng(0).integers(0, 255, (6, tiles.tile_size, tiles.tile_size, 3), dtype=np.uint8)
    tiles.write_shard(1, pixels, np.ones(6, np.uint8))


def _read_tiles(_path: Path, folder: Path) -> None:
    from wsi_haloae.stores.tile_store import TileStore

    store = TileStore.open(folder / "tiles.zarr")
    store.pending_shards()
    for shard in range(store.shards):
        store.read_shard(shard)


def _make_record(folder: Path) -> None:
    document = {
        "format": 1,
        "state": "done",
        "command": "score",
        "arguments": {"slides": ["a.svs"]},
        "seconds": {"scoring": 1.5},
        "warnings": ["pale"],
        "slide": {"name": "a.svs"},
        "counts": {"tiles": 3},
    }
    (folder / "a").mkdir()
    (folder / "a/run.json").write_text(json.dumps(document))


def _make_coordinates(folder: Path) -> None:
    from tests.coordinates.files import clam, trident

    places = np.stack(np.meshgrid(np.arange(0, 1000, 64), np.arange(0, 700, 64)), -1).reshape(-1, 2)
    trident(folder / "trident.h5", places, side=64)
    clam(folder / "clam.h5", places.astype(np.int32), size=64, level=0)
    clam(folder / "floats.h5", places.astype(float), size=64, level=0)


def _read_coordinates(path: Path, _folder: Path) -> None:
    from wsi_haloae.coordinates.reading import read_coordinates
    from wsi_haloae.slide.memory import MemorySlide
    from wsi_haloae.tiles.grid import TileGrid
    from wsi_haloae.tiles.placing import place_on, require_fitting

    slide, grid = MemorySlide(np.zeros((700, 1000, 3), np.uint8)), TileGrid(1000, 700, 64, 64, 1.0, 1.0)
    given = read_coordinates(path)
    require_fitting(given, slide.properties, grid)
    place_on(grid, given.locations)


READERS: dict[str, FuzzedReader] = {
    "slide": FuzzedReader(make_slides, read_slide, seldom=20),
    "colour-profile": FuzzedReader(make_profiles, read_profile),
    "dicom": FuzzedReader(_make_dicom, _read_dicom),
    "image": FuzzedReader(_make_images, _read_image),
    "geojson": FuzzedReader(_make_geojson, _read_annotations),
    "annotations": FuzzedReader(_make_other_annotations, _read_annotations),
    "coordinates": FuzzedReader(_make_coordinates, _read_coordinates, seldom=10),
    "manifest": FuzzedReader(_make_manifests, _read_manifest),
    "config": FuzzedReader(_make_configs, _read_config, seldom=4),
    "checkpoint": FuzzedReader(_make_checkpoint, _read_checkpoint, seldom=4),
    "scores": FuzzedReader(_make_scores, _read_scores, seldom=8),
    "tiles": FuzzedReader(_make_tiles, _read_tiles, seldom=4),
    "cohort": FuzzedReader(_make_cohort, _read_status),
    "record": FuzzedReader(_make_record, _read_status),
}
