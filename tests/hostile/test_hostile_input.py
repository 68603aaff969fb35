"""Whatever a file holds, its reader gives a value or an error of our own kind: no traceback, no hang, no flood."""

from __future__ import annotations

import gzip
import json
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.model.tiny import tiny_checkpoint
from tests.stores.make import make_gallery, make_score_store, make_tile_store
from wsi_haloae.annotations.reading import read_annotations
from wsi_haloae.config import load_config
from wsi_haloae.errors import AnnotationError, WsiHaloaeError
from wsi_haloae.heatmap.assembly import assemble_heatmap
from wsi_haloae.heatmap.pixel_map import assemble_map
from wsi_haloae.model.checkpoint import Checkpoint
from wsi_haloae.slide.readers import open_slide
from wsi_haloae.stores.score_store import ScoreStore
from wsi_haloae.stores.scored_tiles import ScoredTiles
from wsi_haloae.stores.tile_store import TileStore
from wsi_haloae.workspace.manifest import read_manifest
from wsi_haloae.workspace.slide_inputs import find_slides

bounded = settings(
    max_examples=60, deadline=10_000, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
"""Milliseconds: a reader that takes longer on a file of a few kilobytes hangs."""


@st.composite
def damages(draw: st.DrawFn) -> Callable[[bytes], bytes]:
    """Bytes overwritten, put in, and cut off."""
    edits = draw(st.lists(st.tuples(st.floats(0, 1), st.binary(min_size=1, max_size=9), st.booleans()), max_size=4))
    kept = draw(st.one_of(st.just(1.0), st.floats(0, 1)))

    def damage(data: bytes) -> bytes:
        for place, new, instead in edits:
            at = int(place * len(data))
            data = data[:at] + new + data[at + (len(new) if instead else 0) :]
        return data[: int(kept * len(data))]

    return damage


def harmless(read: Callable[[], object]) -> None:
    """It succeeds, or fails in our own words."""
    try:
        read()
    except WsiHaloaeError as error:
        assert str(error).strip()


scalars = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8)
documents = st.recursive(
    scalars, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4)
)
numbers = st.floats() | st.integers(-(10**400), 10**400)
coordinates = st.recursive(numbers, lambda inner: st.lists(inner, max_size=5), max_leaves=30)
geometries = documents | st.fixed_dictionaries(
    {"type": st.sampled_from(["Polygon", "MultiPolygon", "Point", "GeometryCollection"]), "coordinates": coordinates}
)
features = documents | st.fixed_dictionaries(
    {"type": st.just("Feature"), "geometry": geometries, "properties": documents}
)


@bounded
@given(
    document=features | st.fixed_dictionaries({"type": st.just("FeatureCollection"), "features": st.lists(features)})
)
def test_annotations_of_any_shape(tmp_path: Path, document: Any) -> None:
    path = tmp_path / "a.geojson"
    path.write_text(json.dumps(document))
    harmless(lambda: read_annotations(path, None).everything())


@bounded
@given(damage=damages(), packed=st.booleans())
def test_annotations_with_damaged_bytes(tmp_path: Path, damage: Callable[[bytes], bytes], *, packed: bool) -> None:
    ring = [[0, 0], [10, 0], [10, 10], [0, 10], [0, 0]]
    feature = {"type": "Feature", "geometry": {"type": "Polygon", "coordinates": [ring]}, "properties": {}}
    data = json.dumps([feature]).encode()
    path = tmp_path / ("a.geojson.gz" if packed else "a.geojson")
    path.write_bytes(damage(gzip.compress(data) if packed else data))
    harmless(lambda: read_annotations(path, None).everything())


def test_a_small_file_that_unpacks_to_a_flood_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WSI_HALOAE_MOST_JSON_BYTES", str(1 << 20))
    path = tmp_path / "bomb.geojson.gz"
    path.write_bytes(gzip.compress(b"[" + b" " * (4 << 20) + b"]"))
    assert path.stat().st_size < 10_000
    with pytest.raises(AnnotationError, match="JSON_BYTES"):
        read_annotations(path, None)


def test_a_tower_of_brackets_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "tower.geojson"
    path.write_text("[" * 200_000)
    with pytest.raises(AnnotationError):
        read_annotations(path, None)


@bounded
@given(text=st.text() | st.binary().map(lambda data: data.decode("latin-1")))
def test_manifests_of_any_text(tmp_path: Path, text: str) -> None:
    path = tmp_path / "slides.csv"
    for content in (text, f"path,mpp,patient\n{text}", f"path\n{text}\n"):
        path.write_text(content, encoding="utf-8", errors="surrogatepass")
        harmless(lambda: read_manifest(path))
        harmless(lambda: find_slides([str(path)], mpp=None, override_mpp=None, name_by="parent"))


@bounded
@given(damage=damages())
def test_configurations_with_damaged_bytes(tmp_path: Path, damage: Callable[[bytes], bytes]) -> None:
    path = tmp_path / "config.yaml"
    path.write_bytes(damage(b"model: {attention: {block_size: 8}}\ntraining: {steps: 10, learning_rate: 2.0e-3}\n"))
    harmless(lambda: load_config(str(path)))


@bounded
@given(setting=st.text() | st.builds("model.{}={}".format, st.text(max_size=20), st.text(max_size=20)))
def test_settings_of_any_text(setting: str) -> None:
    harmless(lambda: load_config("demo", [setting]))


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("checkpoint") / "model.safetensors"
    tiny_checkpoint().save(path)
    Checkpoint.load(path)  # the first loads parts of torch too, which may take longer than any reader may
    return path.read_bytes()


@bounded
@given(damage=damages(), header=st.booleans())
def test_checkpoints_with_damaged_bytes(
    tmp_path: Path, checkpoint: bytes, damage: Callable[[bytes], bytes], *, header: bool
) -> None:
    length = 8 + int.from_bytes(checkpoint[:8], "little")
    damaged = damage(checkpoint[:length]) + checkpoint[length:] if header else damage(checkpoint)
    path = tmp_path / "model.safetensors"
    path.write_bytes(damaged)
    harmless(lambda: Checkpoint.load(path))


@bounded
@given(facts=documents, place=st.sampled_from(["config", "tile_size", "mpp", "display_range", "calibration", None]))
def test_checkpoints_with_facts_of_any_shape(tmp_path: Path, checkpoint: bytes, facts: Any, place: str | None) -> None:
    length = int.from_bytes(checkpoint[:8], "little")
    header = json.loads(checkpoint[8 : 8 + length])
    inner = json.loads(header["__metadata__"]["wsi-haloae"])
    if place is None:
        inner["facts"] = facts
    else:
        inner["facts"][place] = facts
    header["__metadata__"]["wsi-haloae"] = json.dumps(inner)
    packed = json.dumps(header).encode()
    path = tmp_path / "model.safetensors"
    path.write_bytes(len(packed).to_bytes(8, "little") + packed + checkpoint[8 + length :])
    harmless(lambda: Checkpoint.load(path))


def test_a_checkpoint_that_is_a_pickle_runs_no_code(tmp_path: Path) -> None:
    import pickle  # to be refused

    class Evil:
        def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
            return (Path.touch, (tmp_path / "ran",))

    path = tmp_path / "model.safetensors"
    path.write_bytes(pickle.dumps(Evil()))
    with pytest.raises(WsiHaloaeError):
        Checkpoint.load(path)
    assert not (tmp_path / "ran").exists()


@pytest.fixture(scope="module")
def stores(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("stores")
    scores = make_score_store(folder / "scores.zarr", 70, map_size=2)
    scores.write_gallery(make_gallery(3))
    tiles = make_tile_store(folder / "tiles.zarr", 70)
    tiles.write_shard(1, np.zeros((6, tiles.tile_size, tiles.tile_size, 3), np.uint8), np.ones(6, np.uint8))
    return folder


@bounded
@given(data=st.data(), damage=damages())
@pytest.mark.parametrize("kind", [ScoreStore, TileStore])
def test_stores_with_damaged_files(
    stores: Path, kind: type[ScoreStore | TileStore], data: st.DataObject, damage: Callable[[bytes], bytes]
) -> None:
    name = "scores.zarr" if kind is ScoreStore else "tiles.zarr"
    files = sorted(path.relative_to(stores) for path in (stores / name).rglob("*") if path.is_file())
    victim = data.draw(st.sampled_from(files))
    with tempfile.TemporaryDirectory() as folder:
        shutil.copytree(stores / name, Path(folder) / name)
        path = Path(folder) / victim
        path.write_bytes(damage(path.read_bytes()))
        harmless(lambda: _use(kind.open(Path(folder) / name)))


def _use(store: ScoreStore | TileStore) -> None:
    store.pending_shards()
    store.unreadable()
    if isinstance(store, ScoreStore):
        ScoredTiles.read(store)
        assemble_heatmap(store)
        assemble_map(store).values.compute()
        store.thumbnail()
        store.tissue_parts()
        store.reference_scores()
        store.gallery()
    else:
        for shard in range(store.shards):
            store.read_shard(shard)


@pytest.fixture(scope="module")
def slides(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[bytes]]:
    folder = tmp_path_factory.mktemp("slides")
    pixels = np.random.default_rng(0).integers(0, 255, (256, 256, 3), dtype=np.uint8)
    description = "Aperio Image Library v1.0\n256x256 [0,0 256x256] (64x64) JPEG/RGB Q=70|AppMag = 20|MPP = 0.5"
    for name, words in (("plain.tif", None), ("aperio.svs", description)):
        tifffile.imwrite(
            folder / name, pixels, tile=(64, 64), photometric="rgb", compression="jpeg", description=words,
            resolution=(20000, 20000), resolutionunit="CENTIMETER", metadata=None,
        )  # fmt: skip
    yield [(folder / name).read_bytes() for name in ("plain.tif", "aperio.svs")]


@bounded
@given(which=st.integers(0, 1), damage=damages())
def test_slides_with_damaged_bytes(
    tmp_path: Path, slides: list[bytes], which: int, damage: Callable[[bytes], bytes]
) -> None:
    path = tmp_path / ("aperio.svs" if which else "plain.tif")
    path.write_bytes(damage(slides[which]))

    def read() -> None:
        slide = open_slide(path)
        try:
            for x in (0, 100):
                slide.read_region(x, x, 0, 64, 64)
        finally:
            slide.close()

    harmless(read)
