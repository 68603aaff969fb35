"""HED jitter of training tiles."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from tests.model.tiny import tiny_config
from tests.training.tiles import MemorySource
from wsi_haloae.config import KINDS, MVTEC_BASE, TrainingConfig, load_config, preset_names
from wsi_haloae.stain.density import change_stains
from wsi_haloae.training.augmentation import jitter_colour
from wsi_haloae.training.batches import TrainingBatches
from wsi_haloae.training.cutpaste import paste_patch
from wsi_haloae.training.order import Passes
from wsi_haloae.training.stain_jitter import jitter_stain


def tile(seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(60, 200, (24, 24, 3), dtype=np.uint8)


@settings(max_examples=50, deadline=None)
@given(arrays(np.uint8, (4, 4, 3)), st.integers(0, 1000))
def test_jitter_of_no_strength_gives_the_image_bit_by_bit(image: np.ndarray, seed: int) -> None:
    np.testing.assert_array_equal(jitter_stain(image, 0.0, np.random.default_rng(seed)), image)


def test_jitter_depends_on_the_generator_alone_and_leaves_its_input_as_it_was() -> None:
    image = tile()
    first, again, other = (jitter_stain(image, 0.05, np.random.default_rng(seed)) for seed in (4, 4, 5))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()
    np.testing.assert_array_equal(image, tile())


def test_each_stain_has_its_own_factor_and_its_own_shift() -> None:
    drawn = np.random.default_rng(3).uniform(-0.1, 0.1, (2, 3))
    assert len(np.unique(drawn)) == 6
    expected = change_stains(tile(), 1 + drawn[0], drawn[1])
    np.testing.assert_array_equal(jitter_stain(tile(), 0.1, np.random.default_rng(3)), expected)


def test_more_strength_changes_more() -> None:
    moved = [
        np.mean([np.abs(jitter_stain(tile(s), strength, np.random.default_rng(s)) - tile(s).astype(float)).mean()
                 for s in range(20)])
        for strength in (0.02, 0.05, 0.2)
    ]  # fmt: skip
    assert moved == sorted(moved)
    assert 3 < moved[1] < 12, "light: a few grey levels"


def test_batches_jitter_colour_first_and_stain_then() -> None:
    source, settings_ = MemorySource(), tiny_config(flip=False, colour_jitter=0.1, stain_jitter=0.05).training
    views, _ = TrainingBatches(source, Passes(np.arange(6), settings_.seed), settings_, 4)[2]
    random = np.random.default_rng((0, 1, 2))
    expected = jitter_stain(jitter_colour(source.tiles[source.seen[0]], 0.1, random), 0.05, random)
    np.testing.assert_array_equal(views[0], expected)
    np.testing.assert_array_equal(views[1], paste_patch(expected, random))


def test_without_stain_jitter_nothing_is_drawn_for_it() -> None:
    given_zero, as_before = (
        TrainingBatches(MemorySource(), Passes(np.arange(6), 0), tiny_config(**extra).training, 4)[1][0]
        for extra in ({"stain_jitter": 0.0}, {})
    )
    assert torch.equal(given_zero, as_before)
    random = np.random.default_rng((0, 1, 1))
    source, config = MemorySource(), tiny_config(flip=False).training
    views, _ = TrainingBatches(source, Passes(np.arange(6), config.seed), config, 4)[1]
    expected = jitter_colour(source.tiles[source.seen[0]], config.colour_jitter, random)
    np.testing.assert_array_equal(views[1], paste_patch(expected, random))


def test_stain_jitter_is_off_unless_asked_for() -> None:
    assert TrainingConfig().stain_jitter == 0


@pytest.mark.parametrize("name", [name for kind in KINDS for name in preset_names(kind)])
def test_no_preset_jitters_the_stain_of_objects(name: str) -> None:
    assert load_config(name, base=MVTEC_BASE).training.stain_jitter == 0
