"""Stores that were changed after they were written: one sentence that says what is wrong, and never a traceback."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import zarr

from tests.export.stores import Scene, make_store
from tests.stores.make import complete, edit, make_tile_store
from wsi_haloae.cli.main import run
from wsi_haloae.errors import StoreError
from wsi_haloae.export.bundle import write_exports
from wsi_haloae.stores.score_store import ScoreStore
from wsi_haloae.stores.tile_store import TileStore

ROOTS = ("null", "[]", "3", '"text"', "{}", "", '{"zarr_format": 3}', '{"zarr_format": 3, "node_type": "array"}')
ATTRIBUTES = (None, [], 3, {}, {"kind": []})
HEADERS = (None, [], {}, {"model": None})
OUTSIDE = {
    "state": [3, 255],
    "p_value": [-0.1, 1.5, np.inf],
    "tissue_fraction": [-1, 1.1, np.nan],
}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole") / "a"
    make_store(folder / "scores.zarr", Scene(width=300, height=200, map_size=4), p_value=np.full(20, 0.5, np.float32))
    return folder


@pytest.fixture
def scored(whole: Path, tmp_path: Path) -> Path:
    shutil.copytree(whole, tmp_path / "out/a")
    return tmp_path / "out/a"


def refused(folder: Path, capsys: pytest.CaptureFixture[str]) -> str:
    """What every command says that reads the store; each of them ends as it should."""
    capsys.readouterr()
    assert run(["export", str(folder.parent), "--format", "csv"]) == 2
    told = capsys.readouterr().err
    assert run(["status", str(folder.parent)]) == 0
    geojson = folder.parent / "a.geojson"
    geojson.write_text("[]")
    assert run(["evaluate", str(folder.parent), "--annotations", str(geojson), "--reference", "Tumor"]) == 2
    assert "Traceback" not in told + capsys.readouterr().err
    with pytest.raises(StoreError) as error:
        write_exports(ScoreStore.open(folder / "scores.zarr"), folder)
    return str(error.value)


@pytest.mark.parametrize("root", ROOTS)
def test_a_root_of_any_content(root: str, scored: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (scored / "scores.zarr/zarr.json").write_text(root)
    assert "wsi-haloae score store" in refused(scored, capsys)


@pytest.mark.parametrize("attributes", ATTRIBUTES)
def test_attributes_of_any_shape(attributes: object, scored: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (scored / "scores.zarr/zarr.json").write_text(
        json.dumps({"zarr_format": 3, "node_type": "group", "attributes": attributes})
    )
    assert "wsi-haloae score store" in refused(scored, capsys)


@pytest.mark.parametrize("piece", ["score/c/0", "state/c/0", "thumbnail/zarr.json"])
def test_a_piece_that_is_missing_is_named_by_every_command(
    piece: str, scored: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """zarr would read fill values, with the state "scored"."""
    (scored / "scores.zarr" / piece).unlink()
    assert f"is damaged ({piece} is missing). Make it again: --overwrite" in refused(scored, capsys)


@pytest.mark.parametrize("header", HEADERS)
def test_a_header_of_any_shape(header: object, scored: Path, capsys: pytest.CaptureFixture[str]) -> None:
    edit(scored / "scores.zarr", lambda attributes: attributes.update(header=header))
    assert "is damaged" in refused(scored, capsys)


def arrays(whole: Path) -> list[str]:
    return sorted(path.parent.name for path in (whole / "scores.zarr").glob("*/zarr.json"))


def test_an_array_that_is_missing_is_named(whole: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name in arrays(whole):
        folder = tmp_path / name / "a"
        shutil.copytree(whole, folder)
        shutil.rmtree(folder / "scores.zarr" / name)
        assert re.search(rf"is damaged \({name}/\S+ is missing\)", refused(folder, capsys))
        complete(folder / "scores.zarr")
        assert f"it has no array {name})" in refused(folder, capsys)


def test_an_array_of_another_type_or_shape_is_named(whole: Path, tmp_path: Path) -> None:
    for name in arrays(whole):
        folder = tmp_path / name / "a"
        shutil.copytree(whole, folder)
        group = zarr.open_group(folder / "scores.zarr", mode="r+")
        values = np.asarray(group[name][...])
        for changed in (values[..., None], values.astype(np.complex64)):
            group.create_array(name, data=changed, overwrite=True)
            complete(folder / "scores.zarr")
            with pytest.raises(StoreError, match=f"its array {name} is "):
                ScoreStore.open(folder / "scores.zarr")


@pytest.mark.parametrize(("name", "value"), [(name, value) for name, values in OUTSIDE.items() for value in values])
def test_a_value_that_nobody_writes_is_named(
    name: str, value: float, scored: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    zarr.open_group(scored / "scores.zarr", mode="r+")[name][3] = value
    complete(scored / "scores.zarr")
    assert f"its array {name} holds {np.asarray(value)}" in refused(scored, capsys)


@pytest.mark.parametrize("name", ["pixels", "tissue_fraction", "state"])
def test_tile_stores_are_checked_alike(name: str, tmp_path: Path) -> None:
    path = make_tile_store(tmp_path / "tiles.zarr", 10).path
    shutil.rmtree(path / name)
    with pytest.raises(StoreError, match=rf"damaged \({name}/\S+ is missing\)\. Make it again: --overwrite"):
        TileStore.open(path)
