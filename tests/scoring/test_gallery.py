"""Which tiles are shown: the ends of the ranking, each tile once, artefacts apart."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tests.export.stores import Scene, make_store
from wsi_haloae.calibration.conformal import CalibrationFacts
from wsi_haloae.scoring.gallery import FLAGGED, SIDE_BY_SIDE, choose, make_gallery
from wsi_haloae.stores.adaptation import AdaptedRecord, AdaptedScores
from wsi_haloae.stores.gallery import GalleryRole

MOST, LEAST, ARTEFACTS = GalleryRole


def test_the_ends_of_the_ranking_in_their_order() -> None:
    scores = np.random.default_rng(0).permutation(100).astype(np.float32)
    chosen = choose(scores, np.zeros(100, np.uint8), np.ones(100, bool))
    assert scores[chosen[MOST]].tolist() == list(range(99, 99 - SIDE_BY_SIDE, -1))
    assert scores[chosen[LEAST]].tolist() == list(range(SIDE_BY_SIDE))
    assert len(chosen[ARTEFACTS]) == 0


def test_kept_maps_are_taken_until_the_scores_are_adapted(tmp_path: Path) -> None:
    """They are written before the slide's level is known."""
    scene = Scene(width=640, height=64, map_size=4, rule_name="content")
    kept = np.random.default_rng(0).normal(size=(10, 4, 4)).astype(np.float32)
    store = make_store(tmp_path / "scores.zarr", scene, maps=kept)
    asked: list[int] = []

    def made(pixels: np.ndarray) -> np.ndarray:
        asked.append(len(pixels))
        return np.ones((len(pixels), 4, 4), np.float32)

    def read(_: int) -> np.ndarray:
        return np.zeros((64, 64, 3), np.uint8)

    plain = make_gallery(store, read, made)
    np.testing.assert_array_equal(plain.maps, kept[plain.number])
    assert not asked
    assert (plain.rule, plain.maps_show(store.read("score"))) == ("content", "score")
    record = AdaptedRecord(
        asked="slide", mode="slide", tiles=8, scale=1, display_range=(0, 1), calibration=CalibrationFacts(
            tiles=9, groups=3, correlation=0, effective_tiles=9
        )
    )  # fmt: skip
    scores = 2 * store.read("score")
    arrays = {"score": scores, "p_value": scores, "reference_scores": scores}
    adapted = make_gallery(store.adapted_to(AdaptedScores(record, arrays)), read, made)
    assert asked == [10]
    assert (adapted.maps == 1).all()
    assert adapted.rule == "descriptor"
    assert adapted.maps_show(scores) == "score"
    assert adapted.maps_show(store.read("score")) == "other score"


tiles = st.tuples(st.integers(0, 5), st.sampled_from([0, 0, 0, 1, 4, 8, 12]), st.booleans())


@given(st.lists(tiles, max_size=60))
def test_any_tiles(drawn: list[tuple[int, int, bool]]) -> None:
    scores = np.array([score for score, _, _ in drawn], np.float32)
    flags = np.array([bits for _, bits, _ in drawn], np.uint8)
    scored = np.array([done for *_, done in drawn], bool)
    chosen = choose(scores, flags, scored)
    shown = np.concatenate(list(chosen.values()))
    assert len(set(shown.tolist())) == len(shown)
    assert scored[shown].all()
    clean, flagged = scored & (flags == 0), scored & (flags != 0)
    assert len(chosen[MOST]) + len(chosen[LEAST]) == min(2 * SIDE_BY_SIDE, clean.sum())
    assert len(chosen[MOST]) - len(chosen[LEAST]) in {0, 1}
    assert len(chosen[ARTEFACTS]) == min(FLAGGED, flagged.sum())
    for role, candidates in ((MOST, clean), (ARTEFACTS, flagged)):
        glass = flags & 8  # such tiles have little to look at, and come last
        order = sorted(np.flatnonzero(candidates).tolist(), key=lambda number: (glass[number], -scores[number], number))
        assert chosen[role].tolist() == order[: len(chosen[role])]
    others = set(np.flatnonzero(clean).tolist()) - set(chosen[MOST].tolist())
    assert chosen[LEAST].tolist() == sorted(others, key=lambda number: (scores[number], number))[: len(chosen[LEAST])]
