"""The mark that can stop a training: against loops, for decoders whose worth is known, and over a resumed training."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tests.model.tiny import TILE, tiny_config, tiny_model
from tests.training.test_trainer import QUIET, TRAIN, VALIDATION, is_snapshot, kill_at, same, weights
from tests.training.tiles import MemorySource
from wsi_haloae.config import LossConfig
from wsi_haloae.evaluation.metrics import auroc
from wsi_haloae.training import synthetic_mark
from wsi_haloae.training.job import TrainingData, TrainingJob
from wsi_haloae.training.pictures import write_curve
from wsi_haloae.training.synthetic_mark import SyntheticMark, changed_cells, damaged_tiles, share_won
from wsi_haloae.training.trainer import Trainer

CPU = torch.device("cpu")


def job(folder: Path, *, mpp: float | None = None, loss: LossConfig | None = None, **training: object) -> TrainingJob:
    config = tiny_config(stop_by="synthetic", **training)
    config = config.model_copy(update={"loss": loss or config.loss})
    return TrainingJob(config, TrainingData(MemorySource(), TRAIN, VALIDATION), folder, "same", CPU, mpp=mpp)


def trainer(one: TrainingJob) -> Trainer:
    model = tiny_model()
    return Trainer(one, model, torch.ones(model.backbone.channels), CPU)


@given(st.integers(0, 2**16), st.sampled_from([0.0, 0.2, 1.0]), st.sampled_from([0.0, 0.5, 1.0]))
def test_the_share_of_pairs_is_that_of_a_loop(seed: int, damage: float, tissue: float) -> None:
    random = np.random.default_rng(seed)
    residual, usual = random.integers(0, 4, (5, 5)), random.integers(0, 4, (3, 5, 5))  # with many ties
    damaged, cells = random.random((5, 5)) < damage, random.random((3, 5, 5)) < tissue
    pairs = [
        1.0 if residual[place] > one[place] else 0.5 if residual[place] == one[place] else 0.0
        for one, counting in zip(usual, cells, strict=True)
        for place in map(tuple, np.argwhere(damaged & counting))
    ]
    found = share_won(*(torch.from_numpy(part) for part in (residual.astype(float), damaged, usual, cells)))
    assert found == (pytest.approx(np.mean(pairs)) if pairs else None)


def test_at_one_place_the_share_is_the_auroc() -> None:
    random = np.random.default_rng(0)
    one, usual = torch.from_numpy(random.random((1, 1))), torch.from_numpy(random.random((40, 1, 1)))
    everywhere = torch.ones(40, 1, 1, dtype=torch.bool)
    scores, labels = np.append(usual.numpy().ravel(), one.numpy().ravel()), np.arange(41) == 40
    assert share_won(one, everywhere[0], usual, everywhere) == pytest.approx(auroc(scores, labels))


def test_a_residual_that_is_no_number_gives_no_number() -> None:
    everywhere = torch.ones(2, 3, 3, dtype=torch.bool)
    assert np.isnan(share_won(torch.full((3, 3), torch.inf), everywhere[0], torch.zeros(2, 3, 3), everywhere))


def test_cells_are_damaged_where_their_pixels_changed() -> None:
    pixels = np.zeros((3, 16, 16), bool)
    pixels[0, 4:8, 4:10] = True  # a whole cell, half of the next
    pixels[1, 0, 0] = True  # a scar so thin that no cell has enough of it
    cells = changed_cells(pixels, 4).numpy()
    assert np.argwhere(cells).tolist() == [[0, 1, 1], [0, 1, 2], [1, 0, 0]]


def test_every_tile_is_damaged_in_every_way_if_they_are_few() -> None:
    few = list(damaged_tiles([3, 5], ["a", "b", "c"], 64))
    assert len(few) == len({*few}) == 6
    many = list(damaged_tiles(list(range(64)), ["a", "b", "c"], 64))
    assert sorted(number for number, _ in many) == list(range(64))
    assert min(sum(kind == one for _, kind in many) for one in "abc") == 21


class Decoders:
    """What block C could become, on features of the true model."""

    def __init__(self, mark: SyntheticMark) -> None:
        self.usual = torch.cat([features for features, _ in mark._batches()])[: len(VALIDATION)]

    def copies(self, features: torch.Tensor) -> torch.Tensor:
        return features * (1 + 1e-6 * torch.randn_like(features))  # but for rounding

    def knows_only_the_usual(self, features: torch.Tensor) -> torch.Tensor:
        distances = torch.stack([(features - one).square().sum(dim=1) for one in self.usual], dim=1)  # (b, n, m, m)
        return self.usual[distances.mean(dim=(2, 3)).argmin(dim=1)]


@pytest.mark.parametrize("mpp", [None, 0.5])
def test_the_mark_falls_to_a_half_when_the_decoder_copies(
    mpp: float | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = tiny_model().eval()
    mark = SyntheticMark(job(tmp_path, mpp=mpp), model, CPU)
    decoders = Decoders(mark)
    monkeypatch.setattr(model, "reconstruct", decoders.knows_only_the_usual)
    useful = mark.measure()
    monkeypatch.setattr(model, "reconstruct", decoders.copies)
    copying = mark.measure()
    assert list(useful) == (
        ["pasted patch", "pasted scar"]
        if mpp is None
        else ["pasted patch", "pasted scar", "shuffled blocks", "magnified", "crowded"]
    )
    assert set(copying.values()) == {0.5}
    assert min(useful.values()) > 0.9


def test_glass_is_no_part_of_the_mark(tmp_path: Path) -> None:
    one = job(tmp_path)
    one.data.source.tiles[VALIDATION, :, : TILE // 2] = 250
    for _, cells in SyntheticMark(one, tiny_model().eval(), CPU)._batches():
        assert not cells[: len(VALIDATION), :, : TILE // 8].any()


def test_features_are_computed_once_if_they_fit_and_tiles_are_read_again_if_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, model = job(tmp_path), tiny_model().eval()
    mark = SyntheticMark(one, model, CPU)
    first = mark.measure()
    read = len(one.data.source.seen)
    assert mark.measure() == first
    assert len(one.data.source.seen) == read == 3 + 6
    monkeypatch.setattr(synthetic_mark, "KEPT_BYTES", 0)
    again = SyntheticMark(one, model, CPU)
    assert again.measure() == pytest.approx(first, abs=0.01), "only half precision differs"
    again.measure()
    assert len(one.data.source.seen) == 3 * read


def test_a_killed_training_has_the_same_marks_and_bits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, killed = (tmp_path / name for name in ("whole", "killed"))
    for folder in (whole, killed):
        folder.mkdir()
    expected = trainer(job(whole, steps=4))
    curve = expected.fit(QUIET)
    kill_at(trainer(job(killed, steps=4)), 3, monkeypatch)
    resumed = trainer(job(killed, steps=4))
    assert resumed.fit(QUIET) == curve
    assert same(resumed, expected)
    assert all(0 < record.synthetic_mark < 1 for record in curve)
    write_curve(whole, curve)
    with Image.open(whole / "loss.png") as picture:
        corner = np.asarray(picture.convert("L"))[-20:, :100]
    assert (corner < 100).any(), "a caption, below the axes and from the left, explains a held-out loss below the other"
    header, first = (whole / "loss.csv").read_text().splitlines()[:2]
    assert header.split(",")[-1] == "synthetic_mark"
    assert float(first.split(",")[-1]) == curve[0].synthetic_mark


@pytest.mark.parametrize(("loss", "best"), [(LossConfig(cls=False, im=False), 1), (LossConfig(), 10)])
def test_the_weights_with_the_best_mark_win_from_the_start_unless_the_schedule_must_be_waited_for(
    loss: LossConfig, best: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = trainer(job(tmp_path, loss=loss, steps=16, steps_per_epoch=1, patience=6))
    told = iter([0.9, *([0.6] * 8), 0.8, *([0.7] * 6)])  # time passes 150 after step 9
    snapshots = []

    def marks() -> dict[str, float]:
        snapshots.append({key: value.clone() for key, value in weights(one).items()})
        return {"pasted patch": next(told)}

    monkeypatch.setattr(one, "_synthetic_marks", marks)
    monkeypatch.setattr(one, "_validation_loss", lambda: 1.0 - len(snapshots))  # it falls and falls
    assert len(one.fit(QUIET)) == (7 if best == 1 else 16)
    assert one.best.epoch == best
    assert is_snapshot(one, snapshots[best - 1])


def test_the_residual_decides_unless_asked_otherwise(tmp_path: Path) -> None:
    usual = replace(job(tmp_path), config=tiny_config(steps=3))
    assert trainer(usual).fit(QUIET)[0].synthetic_mark is None
