"""Stain normalisation from training to a scored slide: another staining of the same tissue scores alike."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.integration.conftest import TINY, Tiny
from tests.model.tiny import tiny_config
from tests.training.tiles import MemorySource
from wsi_haloae.cli.main import run
from wsi_haloae.config import GLASS_LEVEL, StainConfig
from wsi_haloae.errors import UsageError
from wsi_haloae.experiments.histology import HistologyOptions, HistologySet, run_histology
from wsi_haloae.model.checkpoint import Checkpoint
from wsi_haloae.progress import Reporter
from wsi_haloae.scoring.scorer import Scorer
from wsi_haloae.scoring.stain_matching import match_stains, slide_matcher, stain_target
from wsi_haloae.stain.density import change_stains
from wsi_haloae.stain.facts import StainFacts
from wsi_haloae.stain.normalise import StainEstimate
from wsi_haloae.stores.score_store import ScoreStore
from wsi_haloae.stores.tile_store import TileStore
from wsi_haloae.tiles.sources import TileSource
from wsi_haloae.tiles.views import Changed

pytest.importorskip("torchstain")
BRIGHT = 0.97
"""A glass level above the glass of synthetic slides, which then counts as tissue."""


def dyed(source: MemorySource, haematoxylin: float, eosin: float) -> Changed:
    return Changed(source, lambda tile, _number: change_stains(tile, (haematoxylin, eosin, 1)), "dyed")


class TwoStains(MemorySource):
    """Purple spots on pink."""

    def __init__(self, count: int = 12) -> None:
        super().__init__(count)
        amounts = np.random.default_rng(0).uniform(0.2, 1, (*self.tiles.shape[:3], 2))
        kind = np.random.default_rng(1).integers(3, size=amounts.shape[:3])
        amounts[kind == 0, 1] *= 0.05
        amounts[kind == 1, 0] *= 0.05
        vectors = np.array([[0.65, 0.70, 0.29], [0.20, 0.95, 0.23]])
        density = amounts @ (vectors / np.linalg.norm(vectors, axis=1, keepdims=True))
        self.tiles = np.rint(255 * np.exp(-density)).astype(np.uint8)


def colour(source: TileSource) -> np.ndarray:
    return np.mean([source.read(number) for number in range(12)], axis=(0, 1, 2))


def test_another_staining_of_the_same_tiles_is_brought_back() -> None:
    plain = TwoStains()
    target = stain_target(plain, np.arange(12), GLASS_LEVEL)
    other = dyed(plain, 0.7, 1.3)
    assert np.abs(colour(other) - colour(plain)).max() > 10
    matched = match_stains(other, target, GLASS_LEVEL)
    assert np.abs(colour(matched) - colour(plain)).max() < 3
    assert matched.groups == list(plain.groups)
    assert matched.digest() != other.digest()


def test_what_counts_as_glass_is_the_configurations() -> None:
    """Half of each tile is as bright as glass usually is: tissue only where the level says so."""
    half_glass = TwoStains()
    half_glass.tiles[:, ::2] = 230
    found = [stain_target(half_glass, np.arange(12), level) for level in (GLASS_LEVEL, BRIGHT, None)]
    assert found[0] != found[1] == found[2]
    matched = [match_stains(half_glass, found[0], level).read(0) for level in (GLASS_LEVEL, BRIGHT)]
    assert (matched[0] != matched[1]).any()


def test_each_group_has_its_own_stains() -> None:
    """Half of the tiles are of a laboratory that dyes otherwise; a common estimate would mix them up."""
    plain = TwoStains()
    target = stain_target(plain, np.arange(12), GLASS_LEVEL)
    mixed = Changed(
        plain, lambda tile, number: change_stains(tile, (0.7, 1.3, 1)) if number < 6 else tile, "two laboratories"
    )
    matched = match_stains(mixed, target, GLASS_LEVEL)
    for number in (0, 5, 6, 11):
        assert np.abs(matched.read(number).astype(int) - plain.read(number)).mean() < 4


def test_tiles_without_slides_count_as_one_slide() -> None:
    """An estimate from a pale tile alone would force it to the reference's strength."""
    plain = TwoStains()
    target = stain_target(plain, np.arange(12), GLASS_LEVEL)
    plain.groups = [str(number) for number in range(12)]
    pale = Changed(plain, lambda tile, number: change_stains(tile, (0.3, 0.3, 1)) if number == 0 else tile, "one pale")
    matched = match_stains(pale, target, GLASS_LEVEL)
    assert matched.read(0).mean() > matched.read(1).mean() + 20


def test_a_group_without_two_stains_is_named() -> None:
    target = stain_target(TwoStains(), np.arange(12), GLASS_LEVEL)
    glass = MemorySource(4)
    glass.tiles = np.full_like(glass.tiles, 250)
    with pytest.raises(UsageError, match=r"memory 0: Stains cannot be estimated"):
        match_stains(glass, target, GLASS_LEVEL)


def test_stains_survive_the_checkpoint_to_the_last_digit() -> None:
    estimate = StainEstimate(np.array([[0.6, 0.7, 0.3874], [0.2, 0.95, 0.2398]]), np.array([1 / 3, 0.7]))
    facts = StainFacts.model_validate_json(StainFacts.of(estimate).model_dump_json())
    np.testing.assert_array_equal(facts.estimate().vectors, estimate.vectors)
    np.testing.assert_array_equal(facts.estimate().strengths, estimate.strengths)


def test_a_slides_tiles_are_scored_with_the_stains_of_the_training_tiles(tiny: Tiny, tmp_path: Path) -> None:
    model, output = tmp_path / "model.safetensors", tmp_path / "out"
    command = ["train-tiles", str(tiny.slide), "-o", str(model), "--annotations", str(tiny.truth), "--class", "Tumor"]
    assert (
        run(
            [
                *command,
                "--tile-size",
                "64",
                *TINY,
                "--set",
                "stain.normalise=true",
                "--set",
                f"scoring.glass_level={BRIGHT}",
                "-q",
            ]
        )
        == 0
    )
    checkpoint = Checkpoint.load(model)
    assert checkpoint.facts.stains is not None
    command = [
        "score",
        str(tiny.slide),
        "--model",
        str(model),
        "-o",
        str(output),
        "--keep-tiles",
        "--adapt",
        "none",
        "-q",
    ]
    assert run(command) == 0
    folder = output / tiny.slide.stem
    scores, tiles = ScoreStore.open(folder / "scores.zarr"), TileStore.open(folder / "tiles.zarr")
    raw = tiles.read_shard(0)
    match, other = (
        slide_matcher("slide", tiles.read_tile, range(len(tiles)), checkpoint.facts.stains, level)
        for level in (BRIGHT, GLASS_LEVEL)
    )
    assert (match(raw) != other(raw)).any(), "the level decides what is looked at"
    scorer = Scorer(checkpoint, torch.device("cpu"), scores.header.compute.batch_size)
    expected = scorer.score(match(raw)).score
    column = scores.header.rules.index(checkpoint.facts.config.scoring.rule)
    np.testing.assert_allclose(scores.scores().rules[: len(raw), column], expected, rtol=1e-5)
    assert np.abs(scorer.score(raw).score - expected).mean() > 0.01 * expected.std()
    shown = scores.gallery()
    assert shown is not None
    own = np.stack([tiles.read_tile(number) for number in shown.number.tolist()])
    np.testing.assert_array_equal(shown.pixels, own)  # people see the slide, the model what it was trained on
    np.testing.assert_allclose(shown.maps, scorer.score(match(own), keep_maps=True).anomaly_map, rtol=1e-5, atol=1e-6)


def test_the_histology_recipe_matches_stains_where_there_are_any(tmp_path: Path) -> None:
    """Grey tiles have none."""
    tiles = HistologySet("set", ("train",), ("same",), ("other",), mpp=0.5, group="p[0-9]+")
    for name, stack in (("train", TwoStains(24).tiles), ("same", TwoStains(8).tiles), ("other", TwoStains(9).tiles)):
        (tmp_path / "set" / name).mkdir(parents=True)
        for number, tile in enumerate(stack):
            Image.fromarray(tile).save(tmp_path / "set" / name / f"p{number // 4:02d}_{number}.png")
    config = tiny_config(steps=2).model_copy(update={"stain": StainConfig(normalise=True)})
    options = HistologyOptions(weights=None, device="cpu", workers=0)
    assert run_histology(tmp_path, tiles, tmp_path / "out", config, [0], options, Reporter(quiet=True)) == 0
    stains = {
        name: Checkpoint.load(tmp_path / "out" / f"{name}-0" / "model.safetensors").facts.stains
        for name in ("colour", "matched", "grey")
    }
    assert stains["colour"] is not None
    assert stains["matched"] is stains["grey"] is None
