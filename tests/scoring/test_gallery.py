"""Which tiles are shown: the ends of the ranking, each tile once, artefacts apart."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from wsi_haloae.scoring.gallery import FLAGGED, SIDE_BY_SIDE, choose
from wsi_haloae.stores.gallery import GalleryRole

MOST, LEAST, ARTEFACTS = GalleryRole


def test_the_ends_of_the_ranking_in_their_order() -> None:
    scores = np.random.default_rng(0).permutation(100).astype(np.float32)
    chosen = choose(scores, np.zeros(100, np.uint8), np.ones(100, bool))
    assert scores[chosen[MOST]].tolist() == list(range(99, 99 - SIDE_BY_SIDE, -1))
    assert scores[chosen[LEAST]].tolist() == list(range(SIDE_BY_SIDE))
    assert len(chosen[ARTEFACTS]) == 0


tiles = st.tuples(st.integers(0, 5), st.sampled_from([0, 0, 0, 1, 4]), st.booleans())


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
        order = sorted(np.flatnonzero(candidates).tolist(), key=lambda number: (-scores[number], number))
        assert chosen[role].tolist() == order[: len(chosen[role])]
    others = set(np.flatnonzero(clean).tolist()) - set(chosen[MOST].tolist())
    assert chosen[LEAST].tolist() == sorted(others, key=lambda number: (scores[number], number))[: len(chosen[LEAST])]
