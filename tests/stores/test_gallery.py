"""The gallery of a score store: whole or not there, and refused where it cannot be the store's."""

from __future__ import annotations

import os
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from tests.stores.make import SIDE, make_gallery, make_score_store
from wsi_haloae import atomic
from wsi_haloae.errors import StoreError
from wsi_haloae.stores.gallery import Gallery
from wsi_haloae.stores.score_store import ScoreStore


class Dying:
    """The system, which a process asks for a renaming as its last."""

    def __getattr__(self, name: str) -> object:
        return self.kill if name == "replace" else getattr(os, name)

    def kill(self, *_: object) -> None:
        raise KeyboardInterrupt


@pytest.mark.parametrize("count", [0, 1, 30])
def test_a_gallery_comes_back_as_it_was_given(count: int, tmp_path: Path) -> None:
    store, given = make_score_store(tmp_path / "scores.zarr", 70), make_gallery(count)
    assert store.gallery() is None
    store.write_gallery(given)
    found = ScoreStore.open(store.path).gallery()
    assert found is not None
    assert len(found) == count
    for field in fields(Gallery):
        np.testing.assert_array_equal(getattr(found, field.name), getattr(given, field.name))
    assert [path.name for path in tmp_path.iterdir()] == ["scores.zarr"], "it was made beside the store, and moved"


@pytest.mark.parametrize(
    ("rule", "moved", "shows"),
    [("content", 0, "score"), ("content", 1, "other score"), ("combined", 0, "residual"), ("unknown", 0, "residual")],
)
def test_a_gallery_knows_of_which_score_its_maps_are(rule: str, moved: int, shows: str, tmp_path: Path) -> None:
    store, given = make_score_store(tmp_path / "scores.zarr", 9), replace(make_gallery(3), rule=rule)
    store.write_gallery(given)
    found, scores = store.gallery(), np.full(9, np.nan, np.float32)
    assert found is not None
    scores[:3] = given.score
    scores[2] += moved
    assert found.maps_show(scores) == shows


def test_a_gallery_of_an_older_store_shows_residuals(tmp_path: Path) -> None:
    store = make_score_store(tmp_path / "scores.zarr", 9)
    store.write_gallery(replace(make_gallery(3), score=None, rule=None))
    found = store.gallery()
    assert found is not None
    assert found.score is None
    assert found.rule is None
    assert found.maps_show(np.zeros(9, np.float32)) == "residual"


def test_scores_are_finished_with_their_gallery(tmp_path: Path) -> None:
    store = make_score_store(tmp_path / "scores.zarr", 0)
    assert store.pending_shards() == []
    assert not store.finished
    store.assemble()
    assert not store.finished
    store.write_gallery(make_gallery(0))
    assert store.finished


def test_a_gallery_of_a_store_with_pending_tiles_does_not_finish_it(tmp_path: Path) -> None:
    store = make_score_store(tmp_path / "scores.zarr", 3)
    store.write_gallery(make_gallery(3))
    assert not store.finished


def test_what_a_killed_write_left_is_no_gallery_and_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = make_score_store(tmp_path / "scores.zarr", 9)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(atomic, "os", Dying())  # there alone: zarr renames too
        store.write_gallery(make_gallery(9))
    assert ScoreStore.open(store.path).gallery() is None
    store.write_gallery(make_gallery(5))
    found = store.gallery()
    assert found is not None
    assert len(found) == 5


@pytest.mark.parametrize(
    "change",
    [
        {"number": np.array([0, 1, 99])},
        {"number": np.array([-1, 1, 2])},
        {"role": np.array([0, 1, 7], np.uint8)},
        {"role": np.array([0, 1], np.uint8)},
        {"pixels": np.zeros((3, SIDE + 1, SIDE + 1, 3), np.uint8)},
        {"pixels": np.zeros((3, SIDE, SIDE, 3), np.float32)},
        {"maps": np.zeros((3, 2, 3), np.float32)},
        {"maps": np.zeros((3, 0, 0), np.float32)},
        {"score": np.zeros(2, np.float32)},
        {"score": np.zeros(3)},
    ],
)
def test_a_gallery_that_cannot_be_this_stores_is_refused(change: dict[str, np.ndarray], tmp_path: Path) -> None:
    store = make_score_store(tmp_path / "scores.zarr", 9)
    store.write_gallery(replace(make_gallery(3), **change))
    with pytest.raises(StoreError, match=r"damaged \(its gallery.*--overwrite"):
        store.gallery()
