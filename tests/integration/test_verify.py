"""``wsi-haloae verify``: what is whole and what is damaged, without changing anything."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.model.tiny import tiny_checkpoint
from tests.stores.fill import fill_scores, fill_tiles, score_store, tile_store
from wsi_haloae.cli.main import run


@pytest.fixture
def out(tmp_path: Path) -> Path:
    fill_scores(score_store(tmp_path / "a/scores.zarr"))
    fill_tiles(tile_store(tmp_path / "a/tiles.zarr"))
    score_store(tmp_path / "b/scores.zarr")
    tiny_checkpoint().save(tmp_path / "model.safetensors")
    return tmp_path


def verdicts(path: Path, expected: int, capsys: pytest.CaptureFixture[str]) -> dict[str, tuple[str, str]]:
    capsys.readouterr()
    assert run(["verify", str(path), "--json"]) == expected
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    return {Path(row["path"]).relative_to(path).as_posix(): (row["state"], " ".join(row["damage"])) for row in rows}


def flip(path: Path, place: int = -9) -> None:
    raw = bytearray(path.read_bytes())
    raw[place] ^= 1
    path.write_bytes(raw)


def test_whole_and_unfinished_work_is_told_apart(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert verdicts(out, 0, capsys) == {
        "a/scores.zarr": ("whole", ""),
        "a/tiles.zarr": ("whole", ""),
        "b/scores.zarr": ("unfinished", ""),
        "model.safetensors": ("whole", ""),
    }
    assert run(["verify", str(out / "a/tiles.zarr")]) == 0
    assert capsys.readouterr().out == f"{out / 'a/tiles.zarr'}: whole\n"


def test_each_damaged_piece_is_named(out: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for victim in ("score/c/0", "adapted/p_value/c/0", "gallery/pixels/c/0/0/0/0"):
        flip(out / "a/scores.zarr" / victim)
    flip(out / "a/tiles.zarr/pixels/c/1/0/0/0")
    flip(out / "model.safetensors")
    found = verdicts(out, 1, capsys)
    assert {name: state for name, (state, _) in found.items()} == {
        "a/scores.zarr": "damaged",
        "a/tiles.zarr": "damaged",
        "b/scores.zarr": "unfinished",
        "model.safetensors": "damaged",
    }
    for victim in ("score/c/0", "adapted/p_value/c/0", "gallery/pixels/c/0/0/0/0"):
        assert f"{victim} is not what was written there" in found["a/scores.zarr"][1]
    assert "pixels/c/1/0/0/0 is not" in found["a/tiles.zarr"][1]
    (out / "a/scores.zarr/row/c/0").unlink()
    assert "row/c/0 is missing" in verdicts(out, 1, capsys)["a/scores.zarr"][1]


def test_nothing_to_verify_is_bad_usage(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["verify", str(tmp_path)]) == 2
    assert "no store and no model here" in capsys.readouterr().err
