"""calibrate: known quantiles, stated bounds, and a guard for few tiles."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import ValidationError

from wsi_haloae.artefacts.flags import FLAGS
from wsi_haloae.artefacts.limits import ENOUGH_TILES, ArtefactLimits, calibrate


def _quantities(
    focus: NDArray[np.float64] | float, ink: NDArray[np.float64] | float, fold: NDArray[np.float64] | float, count: int
) -> NDArray[np.float32]:
    known = {"focus": focus, "ink_share": ink, "fold_ratio": fold, "glass_share": 0.9}
    columns = [np.broadcast_to(known.get(flag.quantity, 0.0), count) for flag in FLAGS.values()]
    return np.stack(columns, axis=1).astype(np.float32)


def test_limits_are_the_quantiles_of_many_tiles() -> None:
    steps = np.linspace(0, 1, 1001)
    limits = calibrate(_quantities(0.04 + 0.2 * steps, 0.3 * steps, 1 + steps, 1001))
    assert limits.focus == pytest.approx(0.041)
    assert limits.ink_share == pytest.approx(0.2985)
    assert limits.fold_ratio == pytest.approx(1.995)
    assert limits.tiles == 1001


def test_limits_are_never_stricter_than_their_bounds() -> None:
    limits = calibrate(_quantities(0.4, 0.0, 0.5, 500)).model_dump()
    assert (limits["focus"], limits["ink_share"], limits["fold_ratio"]) == (0.1, 0.02, 0.9)
    for flag in FLAGS.values():
        assert limits[flag.quantity] <= flag.bound if flag.flags_below else limits[flag.quantity] >= flag.bound


def test_glass_is_not_calibrated() -> None:
    assert calibrate(_quantities(0.4, 0.0, 0.5, 500)).glass_share == 0.5


@pytest.mark.parametrize("count", [5, 20, 60])
def test_few_tiles_give_few_false_flags(count: int) -> None:
    rng = np.random.default_rng(count)
    strict = [calibrate(_quantities(rng.normal(0.08, 0.01, count), 0, rng.normal(2, 0.2, count), count))
              for _ in range(200)]  # fmt: skip
    false = np.mean([
        [(rng.normal(0.08, 0.01, 2000) < limits.focus).mean(), (rng.normal(2, 0.2, 2000) > limits.fold_ratio).mean()]
        for limits in strict
    ], axis=0)  # fmt: skip
    most = {5: 0.08, 20: 0.02, 60: 0.008}[count]  # the extreme tile alone: 1 / (count + 1)
    assert (false < most).all(), false
    assert (false < 1 / (count + 1)).all(), false


def test_the_guard_ends_where_tiles_are_enough() -> None:
    values = np.linspace(1, 2, ENOUGH_TILES)
    assert calibrate(_quantities(0.1, 0, values, ENOUGH_TILES)).fold_ratio == pytest.approx(1.995)
    # Half of a uniform distribution lies within a quarter of its width from the median.
    few = calibrate(_quantities(0.1, 0, values[1:], ENOUGH_TILES - 1)).fold_ratio
    assert few == pytest.approx(1.5 + 3 * 1.4826 * 0.25, abs=0.01)


def test_words_claim_a_share_only_for_limits_that_enough_tiles_have_loosened() -> None:
    usual = calibrate(_quantities(0.4, 0.0, 0.5, 500))
    assert usual.words == "All limits are fixed values: none was loosened to fit this model's reference tissue."
    dark = calibrate(_quantities(0.4, 0.0, np.linspace(1, 2, 500), 500))
    assert list(dark.loosened()) == ["fold"]
    assert dark.words == (
        "Limits that are fixed: out of focus, pen, mostly glass. Loosened to fit this model's reference tissue: fold "
        "or dense nuclei. About 1 in 200 of its 500 held-out reference tiles lies beyond such a limit."
    )
    few = calibrate(_quantities(0.05, 0.0, np.linspace(1, 2, ENOUGH_TILES - 1), ENOUGH_TILES - 1)).words
    assert "Loosened to fit this model's reference tissue: out of focus, fold or dense nuclei. It has only 199" in few
    assert "1 in 200" not in few
    assert "too few to say" in few


def test_one_tile_is_enough_and_none_is_not() -> None:
    assert calibrate(_quantities(0.05, 0.5, 3, 1)).focus == pytest.approx(0.05)
    with pytest.raises(ValueError, match="at least one"):
        calibrate(np.empty((0, len(FLAGS)), np.float32))


def test_a_focus_limit_is_no_share_below_nothing() -> None:
    assert calibrate(_quantities(np.array([0.0, 0.05, 0.1]), 0, 1, 3)).focus == 0


def test_limits_come_back_from_json_and_are_frozen() -> None:
    limits = calibrate(_quantities(np.linspace(0.05, 0.3, 300), 0.1, 1.1, 300))
    assert ArtefactLimits.model_validate_json(limits.model_dump_json()) == limits
    with pytest.raises(ValidationError):
        limits.focus = 0.2  # type: ignore[misc]
    with pytest.raises(ValidationError, match="'blur'"):
        ArtefactLimits.model_validate({**limits.model_dump(), "blur": 1})


def test_limits_are_written_in_one_order_whatever_order_they_come_in() -> None:
    limits = ArtefactLimits(tiles=500, fold_ratio=0.9, glass_share=0.5, focus=0.1, ink_share=0.02)
    written = limits.model_dump_json()
    assert written == '{"focus":0.1,"ink_share":0.02,"fold_ratio":0.9,"glass_share":0.5,"tiles":500}'
    assert ArtefactLimits.model_validate_json(written) == limits


@pytest.mark.parametrize(
    "impossible",
    [{"focus": 0.2}, {"focus": -0.1}, {"ink_share": 0.01}, {"ink_share": 1.5}, {"fold_ratio": float("nan")},
     {"glass_share": "much"}, {"tiles": 0}],
)  # fmt: skip
def test_a_limit_beyond_its_bounds_is_refused(impossible: dict[str, object]) -> None:
    limits = calibrate(_quantities(0.4, 0.0, 0.5, 500)).model_dump()
    with pytest.raises(ValidationError):
        ArtefactLimits.model_validate({**limits, **impossible})


def test_a_model_from_before_a_flag_was_added_never_sets_it() -> None:
    limits = ArtefactLimits(focus=0.1, ink_share=0.02, glass_share=0.5, tiles=30)
    assert list(limits.known()) == ["out_of_focus", "pen", "mostly_glass"]
    assert limits.flags(_quantities(0.0, 1.0, 9.0, 1)).tolist() == [1 + 2 + 8]
