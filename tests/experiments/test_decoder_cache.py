"""Features on disk: they are block B's, computed once, resumed after a kill, and refused when the disk is too full."""

from __future__ import annotations

from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
import torch

from tests.model.tiny import tiny_config
from tests.training.tiles import MemorySource
from wsi_haloae.config import Config
from wsi_haloae.errors import UsageError
from wsi_haloae.experiments.decoder import cache as decoder_cache
from wsi_haloae.experiments.decoder.cache import BATCH, FeatureCache
from wsi_haloae.features.preprocessing import normalise, to_unit
from wsi_haloae.model.haloae import HaloAE
from wsi_haloae.progress import Reporter

QUIET = Reporter(quiet=True)
COUNT = 2 * BATCH + 3
Usage = namedtuple("Usage", "total used free")


class KilledError(Exception):
    """What a kill looks like from inside."""


class DyingSource(MemorySource):
    """Dies when tile ``last`` is read."""

    last = COUNT

    def read(self, number: int) -> np.ndarray:
        if number == self.last:
            raise KilledError
        return super().read(number)


def cache(folder: Path, config: Config | None = None) -> FeatureCache:
    return FeatureCache(folder, config or tiny_config(), None, QUIET)


def test_they_are_block_bs_in_half_precision_and_computed_once(tmp_path: Path) -> None:
    source = MemorySource(COUNT)
    maps = cache(tmp_path).maps("reference", source)
    model = HaloAE(tiny_config().model, source.tile_size).eval()
    expected = model.backbone(normalise(to_unit(torch.from_numpy(source.tiles)), 1))
    assert maps.features.dtype == np.float16
    numbers = np.array([COUNT - 1, 0, 5])
    torch.testing.assert_close(maps.read(numbers), expected[numbers], rtol=1e-3, atol=1e-3)
    source.seen.clear()
    again = cache(tmp_path).maps("reference", source)
    assert not source.seen
    np.testing.assert_array_equal(again.features, maps.features)
    batches = list(again.batches(numbers))
    assert [len(features) for features, _ in batches] == [3]
    assert batches[0][1].shape == (3, *maps.features.shape[2:])


def test_a_killed_computation_goes_on_where_it_stopped(tmp_path: Path) -> None:
    source = DyingSource(COUNT)
    source.last = BATCH + 2
    with pytest.raises(KilledError):
        cache(tmp_path).maps("reference", source)
    source.last = COUNT
    source.seen.clear()
    maps = cache(tmp_path).maps("reference", source)
    assert source.seen == list(range(BATCH, COUNT))
    whole = cache(tmp_path / "whole").maps("reference", source)
    np.testing.assert_array_equal(maps.features, whole.features)
    np.testing.assert_array_equal(maps.cells, whole.cells)


@pytest.mark.parametrize(
    ("changed", "other"),
    [
        ({"model": {"input_downsample": 2}}, True),
        ({"model": {"features": {"random_seed": 1}}}, True),
        ({"scoring": {"glass_level": None}}, True),
        ({"model": {"features": {"std_floor": 0.2}}}, False),
        ({"training": {"seed": 5}}, False),
    ],
)
def test_other_features_are_computed_anew_and_what_comes_after_block_b_changes_nothing(
    changed: dict[str, object], other: bool, tmp_path: Path
) -> None:
    source = MemorySource(4, size=96)
    cache(tmp_path).maps("reference", source)
    source.seen.clear()
    merged = tiny_config().model_dump()
    for section, values in changed.items():
        for name, value in dict(values).items():  # type: ignore[call-overload]
            merged[section][name] = {**merged[section][name], **value} if isinstance(value, dict) else value
    cache(tmp_path, Config.model_validate(merged)).maps("reference", source)
    assert bool(source.seen) is other


def test_too_little_room_is_told_before_anything_is_computed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decoder_cache, "disk_usage", lambda _: Usage(10**12, 10**12, 1 << 30))
    source = MemorySource(4)
    with pytest.raises(UsageError, match=r"GB are free.*Make room"):
        cache(tmp_path).maps("reference", source)
    assert not source.seen
