"""The trainer: it learns, it stops when it should, and a killed run goes on as if nothing had happened."""

from __future__ import annotations

import itertools
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from pathlib import Path

import numpy as np
import pytest
import torch
from rich.console import Console

from tests.model.tiny import TILE, TINY, tiny_config, tiny_model
from tests.training.tiles import MemorySource
from wsi_haloae.config import Config, LossConfig
from wsi_haloae.errors import OutputExistsError, UsageError
from wsi_haloae.features.preprocessing import normalise, to_unit
from wsi_haloae.model.haloae import HaloAE
from wsi_haloae.model.losses import all_losses, feature_loss
from wsi_haloae.model.weighting import ews_weights
from wsi_haloae.progress import Reporter
from wsi_haloae.training.batches import TrainingBatches
from wsi_haloae.training.job import TrainingData, TrainingJob
from wsi_haloae.training.optimiser import rate_factor
from wsi_haloae.training.order import Passes
from wsi_haloae.training.statistics import measure_features
from wsi_haloae.training.trainer import StepLosses, Trainer, plan_steps

QUIET = Reporter(quiet=True)
TRAIN, VALIDATION = np.array([0, 1, 2, 3, 4, 5]), np.array([7, 8, 9])


class KilledError(Exception):
    """What a kill looks like from inside."""


def trainer(folder: Path, config: Config, source: MemorySource | None = None, identity: str = "same") -> Trainer:
    torch.manual_seed(0)
    model = HaloAE(config.model, TILE)
    data = TrainingData(source or MemorySource(), TRAIN, VALIDATION)
    job = TrainingJob(config, data, folder, identity, torch.device("cpu"))
    return Trainer(job, model, torch.ones(model.backbone.channels), job.device)


def weights(one: Trainer) -> dict[str, torch.Tensor]:
    return one.model.state_dict()


def same(one: Trainer, other: Trainer) -> bool:
    a, b = weights(one), weights(other)
    return all(torch.equal(a[key], b[key]) for key in a)


def kill_at(one: Trainer, step: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run until the given step is about to start."""
    real = one._train_step

    def dying(*batch: torch.Tensor) -> tuple[float, float, float]:
        if one._step == step:
            raise KilledError
        return real(*batch)

    monkeypatch.setattr(one, "_train_step", dying)
    with pytest.raises(KilledError):
        one.fit(QUIET)


def test_losses_fall_on_a_few_tiles(tmp_path: Path) -> None:
    one = trainer(tmp_path, tiny_config(steps=150, learning_rate=3e-3))
    measured = measure_features(one.job.data.source, TRAIN, one.model.eval(), one.device, lambda _: None)
    one.model.standardise.fit(measured.mean, measured.std, one.model.backbone.layer_channels, 0.1)
    curve = one.fit(QUIET)
    assert len(curve) == 50

    def falls_to(name: str) -> float:
        """Four epochs on either side: single batches differ more than training tells."""
        first, last = ([getattr(record, name) for record in part] for part in (curve[:4], curve[-4:]))
        return float(np.mean(last) / np.mean(first))

    assert falls_to("loss_fm") < 0.9
    assert falls_to("loss_im") < 0.6
    assert falls_to("loss_cls") < 0.8


def test_the_curve_says_where_it_is_and_how_losses_were_weighted(tmp_path: Path) -> None:
    curve = trainer(tmp_path, tiny_config(steps=7)).fit(QUIET)
    assert [(record.epoch, record.step) for record in curve] == [(1, 3), (2, 6), (3, 7)]
    assert [round(getattr(curve[-1], f"weight_{name}"), 2) for name in ("cls", "fm", "im")] == [0.11, 0.33, 0.56]


@pytest.mark.parametrize("step", [0, 1, 3, 4, 6])
def test_a_killed_and_resumed_training_gives_the_same_bits(
    step: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tiny_config(steps=7)
    (tmp_path / "whole").mkdir()
    (tmp_path / "killed").mkdir()
    whole = trainer(tmp_path / "whole", config)
    expected = whole.fit(QUIET)
    kill_at(trainer(tmp_path / "killed", config), step, monkeypatch)
    source = MemorySource()
    resumed = trainer(tmp_path / "killed", config, source)
    torch.manual_seed(99)
    assert resumed.fit(QUIET) == expected
    assert same(resumed, whole)
    repeated = 7 - step // 3 * 3
    assert sum(number in TRAIN for number in source.seen) == 2 * repeated, "only what was not saved is done again"


@pytest.mark.parametrize("step", [2, 3])
def test_ctrl_c_waits_for_the_step_and_goes_on_from_it_with_the_same_bits(
    step: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = tiny_config(steps=7)
    for name in ("whole", "interrupted"):
        (tmp_path / name).mkdir()
    whole = trainer(tmp_path / "whole", config)
    expected = whole.fit(QUIET)
    first, said = trainer(tmp_path / "interrupted", config), StringIO()
    real = first._train_step

    def interrupted(*batch: torch.Tensor) -> StepLosses:
        if first._step == step - 1:
            signal.raise_signal(signal.SIGINT)
        return real(*batch)

    monkeypatch.setattr(first, "_train_step", interrupted)
    monkeypatch.setattr(first, "_rehearse", lambda *_: None)  # it takes steps too
    with listening(), pytest.raises(KeyboardInterrupt):
        first.fit(Reporter(console=Console(file=said, width=200)))
    assert f"saved after step {step}/7, from which the same command continues" in said.getvalue()
    source = MemorySource()
    resumed = trainer(tmp_path / "interrupted", config, source)
    torch.manual_seed(99)
    assert resumed.fit(QUIET) == expected
    assert same(resumed, whole)
    assert sum(number in TRAIN for number in source.seen) == 2 * (7 - step), "nothing is done again"


def test_a_second_ctrl_c_does_not_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = trainer(tmp_path, tiny_config(steps=7))

    def impatient(*_: torch.Tensor) -> None:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(one, "_train_step", impatient)
    with listening():
        with pytest.raises(KeyboardInterrupt):
            one.fit(QUIET)
        assert signal.getsignal(signal.SIGINT) is signal.default_int_handler, "as it was"
    assert not one.job.state_path.exists()


@contextmanager
def listening() -> Iterator[None]:
    """Ctrl-C as Python handles it: tests in the background of a shell ignore it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)


def test_noise_on_the_code_is_the_same_after_a_resumption(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    noised = {**TINY, "autoencoder": {**TINY["autoencoder"], "code_dropout": 0.5}}
    config = Config.model_validate({**tiny_config(steps=7).model_dump(), "model": noised})
    (tmp_path / "whole").mkdir()
    (tmp_path / "killed").mkdir()
    whole = trainer(tmp_path / "whole", config)
    expected = whole.fit(QUIET)
    kill_at(trainer(tmp_path / "killed", config), 4, monkeypatch)
    resumed = trainer(tmp_path / "killed", config)
    torch.manual_seed(99)
    assert resumed.fit(QUIET) == expected
    assert same(resumed, whole)


def test_the_saved_state_leaves_the_frozen_features_out(tmp_path: Path) -> None:
    one = trainer(tmp_path, tiny_config(steps=3))
    one.fit(QUIET)
    state = torch.load(tmp_path / "state.pt", weights_only=True)
    trained = {name for name in weights(one) if not name.startswith("backbone.")}
    assert state["model"].keys() == state["best_state"].keys() == trained
    assert "standardise.mean" in trained
    with pytest.raises(RuntimeError, match="Missing key"):
        one.model.load_trained_state({})


def test_a_finished_training_is_not_trained_further(tmp_path: Path) -> None:
    config = tiny_config(steps=4)
    first = trainer(tmp_path, config)
    curve = first.fit(QUIET)
    source = MemorySource()
    again = trainer(tmp_path, config, source)
    assert again.fit(QUIET) == curve
    assert same(first, again)
    assert not source.seen


def test_the_state_of_another_training_is_refused(tmp_path: Path) -> None:
    trainer(tmp_path, tiny_config(steps=3)).fit(QUIET)
    before = (tmp_path / "state.pt").read_bytes()
    with pytest.raises(OutputExistsError, match="--overwrite"):
        trainer(tmp_path, tiny_config(steps=3), identity="other").fit(QUIET)
    assert (tmp_path / "state.pt").read_bytes() == before


def watched(
    folder: Path, held_out: list[float], monkeypatch: pytest.MonkeyPatch, **training: int
) -> tuple[Trainer, list[dict[str, torch.Tensor]]]:
    """A trainer of one step per epoch whose held-out losses are given; and its weights after each epoch."""
    one = trainer(folder, tiny_config(steps=len(held_out), steps_per_epoch=1, **training))
    snapshots: list[dict[str, torch.Tensor]] = []

    def told() -> float:
        snapshots.append({key: value.clone() for key, value in weights(one).items()})
        return held_out[len(snapshots) - 1]

    monkeypatch.setattr(one, "_validation_loss", told)
    return one, snapshots


def is_snapshot(one: Trainer, snapshot: dict[str, torch.Tensor]) -> bool:
    return all(torch.equal(value, snapshot[key]) for key, value in weights(one).items())


def test_the_best_epoch_is_sought_after_time_150_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one, snapshots = watched(tmp_path, [1.0, 0.1, 5.0, 5.0, 5.0, 5.0, 5.0, 4.0, 3.0, 3.5], monkeypatch)
    one.fit(QUIET)
    assert len(snapshots) == 10
    assert is_snapshot(one, snapshots[8])
    assert not is_snapshot(one, snapshots[9])


def test_training_stops_when_patience_is_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # 20 steps: time passes 150 after step 12.
    held_out = [5.0] * 12 + [2.0, 3.0, 2.0, 9.0] + [1.0] * 4
    one, snapshots = watched(tmp_path, held_out, monkeypatch, patience=3)
    curve = one.fit(QUIET)
    assert len(curve) == 16, "an epoch that is only as good does not count as better"
    assert is_snapshot(one, snapshots[12])


# 16 steps: time passes 150 after step 9.


def test_no_patience_ends_a_training_before_time_150(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    held_out = [1.0, *([5.0] * 7), 4.0, 3.5, 3.0, 2.5, 2.0, 1.9, 1.8, 1.7]
    one, snapshots = watched(tmp_path, held_out, monkeypatch, patience=1)
    assert len(one.fit(QUIET)) == 16
    assert is_snapshot(one, snapshots[15])


def test_patience_does_not_count_from_an_early_epoch_that_happened_to_be_as_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held_out = [2.0, *([5.0] * 7), 2.0, 3.0, 1.0, *([4.0] * 5)]
    one, snapshots = watched(tmp_path, held_out, monkeypatch, patience=3)
    assert len(one.fit(QUIET)) == 14
    assert is_snapshot(one, snapshots[10])


def test_a_held_out_loss_that_is_no_number_is_told_and_never_the_best(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held_out = [float("nan"), *([5.0] * 7), 2.0, float("nan"), 1.0, *([4.0] * 5)]
    one, snapshots = watched(tmp_path, held_out, monkeypatch, patience=3)
    reporter = Reporter(quiet=True)
    assert len(one.fit(reporter)) == 14
    assert is_snapshot(one, snapshots[10])
    assert [text.split(":")[0] for text in reporter.warnings] == ["epoch 1", "epoch 10"]


def test_a_training_that_diverged_is_an_error_and_no_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, _ = watched(tmp_path, [float("nan")] * 16, monkeypatch, patience=3)
    with pytest.raises(UsageError, match="learning_rate"):
        one.fit(QUIET)


def test_the_held_out_loss_is_unweighted_and_on_unchanged_tiles(tmp_path: Path) -> None:
    source = MemorySource()
    one = trainer(tmp_path, tiny_config(steps=1, validation_tiles=2), source)
    curve = one.fit(QUIET)
    model = one.model.eval()
    with torch.no_grad():
        features = model.features(normalise(to_unit(torch.from_numpy(source.tiles[VALIDATION[[0, -1]]])), 1))
        expected = feature_loss(
            model, features, model.reconstruct(features), torch.ones(features.shape[1]), LossConfig()
        )
    assert curve[-1].validation_fm == pytest.approx(float(expected), rel=1e-5)


@pytest.mark.parametrize("reconstruction", ["mean", "sum"])
def test_a_step_follows_the_gradient_of_the_weighted_losses(reconstruction: str, tmp_path: Path) -> None:
    config = tiny_config(steps=3, weight_decay=0)
    config = config.model_copy(update={"loss": LossConfig(reconstruction=reconstruction)})
    one, model = trainer(tmp_path, config), tiny_model().train()
    tiles, damaged = TrainingBatches(MemorySource(), Passes(TRAIN, config.training.seed), config.training, 3)[1]
    one._step = 1  # in the middle: time 125
    one._train_step(tiles, damaged)
    images = normalise(to_unit(tiles), 1)
    losses = all_losses(model, images, damaged, torch.ones(model.backbone.channels), LossConfig())
    weights = ews_weights(125.0)
    positions = model.map_size**2 if reconstruction == "sum" else 1
    (weights.cls * losses.cls + positions * (weights.fm * losses.fm + weights.im * losses.im)).backward()
    for (name, moved), expected in zip(one.model.named_parameters(), model.parameters(), strict=True):
        if expected.grad is not None:
            torch.testing.assert_close(moved.grad, expected.grad, rtol=1e-3, atol=1e-4, msg=name)


def with_losses(**settings: object) -> Config:
    config = tiny_config(steps=6, learning_rate=1e-2)
    return config.model_copy(update={"loss": LossConfig.model_validate(settings)})


def test_learned_uncertainties_minimise_equation_5(tmp_path: Path) -> None:
    one = trainer(tmp_path, with_losses(weighting="uncertainty", reconstruction="sum"))
    images, damaged = torch.randn(6, 3, 48, 48), torch.tensor([False, True, True] * 2)
    with torch.no_grad():
        one.objective.log_variances.copy_(torch.tensor([0.5, -1.0, 2.0]))
    total, losses = one.objective(one.model.eval(), images, damaged, 0.0)
    positions = one.model.map_size**2
    expected = sum(
        scale * loss.item() / np.exp(s) + s
        for loss, scale, s in zip(
            (losses.cls, losses.fm, losses.im), (1, positions, positions), (0.5, -1, 2), strict=True
        )
    )
    assert total.item() == pytest.approx(expected, rel=1e-5)
    weights = one.objective.weights(0.0)
    assert (weights.cls / weights.fm, weights.fm / weights.im) == pytest.approx((np.exp(-1.5), np.exp(3)))


@pytest.mark.parametrize("content", [b"", b"text", {"step": 3}, [1, 2], "cut"])
def test_a_state_that_is_none_is_refused_and_kept(content: object, tmp_path: Path) -> None:
    path = tmp_path / "state.pt"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        torch.save(content, path)
    if content == "cut":
        path.write_bytes(path.read_bytes()[:200])
    before = path.read_bytes()
    with pytest.raises(OutputExistsError, match="--overwrite to start again"):
        trainer(tmp_path, tiny_config(steps=3)).fit(QUIET)
    assert path.read_bytes() == before


def test_uncertainties_are_learned_and_resumed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "whole").mkdir()
    (tmp_path / "killed").mkdir()
    config = with_losses(weighting="uncertainty")
    whole = trainer(tmp_path / "whole", config)
    expected = whole.fit(QUIET)
    assert whole.objective.log_variances.abs().min() > 0, "each has moved"
    kill_at(trainer(tmp_path / "killed", config), 4, monkeypatch)
    resumed = trainer(tmp_path / "killed", config)
    assert resumed.fit(QUIET) == expected
    assert torch.equal(resumed.objective.log_variances, whole.objective.log_variances)


def test_equal_weights_do_not_change_with_time(tmp_path: Path) -> None:
    curve = trainer(tmp_path, with_losses(weighting="equal")).fit(QUIET)
    for record in curve:
        assert (record.weight_cls, record.weight_fm, record.weight_im) == pytest.approx((1 / 3,) * 3)


TERMS = [(True, True, False), (True, False, True), (False, True, True), (True, False, False), (False, True, False)]


@pytest.mark.parametrize("terms", TERMS)
def test_losses_that_are_left_out_leave_their_blocks_untouched(terms: tuple[bool, bool, bool], tmp_path: Path) -> None:
    cls, fm, im = terms
    source, model = MemorySource(), tiny_model()
    one = trainer(tmp_path, with_losses(cls=cls, fm=fm, im=im), source)
    curve = one.fit(QUIET)
    assert [value is not None for value in (curve[-1].loss_cls, curve[-1].loss_fm, curve[-1].loss_im)] == list(terms)
    moved = {name for name, value in model.named_parameters() if not torch.equal(value, one.model.get_parameter(name))}
    assert any(name.startswith("decoder.") for name in moved)
    assert any(name.startswith("image_decoder.") for name in moved) == (cls or im)
    assert any(name.startswith("classifier.") for name in moved) == cls


def test_negatives_bring_copies_where_nothing_else_needs_them(tmp_path: Path) -> None:
    alone = {"cls": False, "im": False, "fm_terms": "cosine", "easy_share": 0.9}
    losses = []
    for negatives in (False, True):
        folder = tmp_path / str(negatives)
        folder.mkdir()
        config = with_losses(**alone, negatives=negatives)
        config = config.model_copy(update={"training": config.training.model_copy(update={"steps": 2})})
        record = trainer(folder, config).fit(QUIET)[-1]
        losses.append(record.loss_fm)
        assert np.isfinite(record.validation_fm)
    assert losses[0] != losses[1]


def test_without_the_feature_loss_the_last_weights_are_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    one = trainer(tmp_path, with_losses(fm=False))
    held_out = iter([1.0, 9.0])
    monkeypatch.setattr(one, "_validation_loss", lambda: next(held_out))
    one.fit(QUIET)
    assert one._best_epoch == 2


def test_the_learning_rate_rises_and_falls_by_step_alone() -> None:
    rates = [rate_factor(step, 100, "warmup_cosine") for step in range(100)]
    assert rates[0] < 0.1
    assert int(np.argmax(rates)) == 10
    assert max(rates) == 1
    assert rates[55] == pytest.approx(0.5)
    assert 0 < rates[99] < 0.01
    assert all(a > b for a, b in itertools.pairwise(rates[10:]))
    assert {rate_factor(step, 100, "constant") for step in range(100)} == {1.0}
    assert rate_factor(0, 1, "warmup_cosine") > 0, "a run of one step learns"


def test_a_step_uses_the_rate_of_its_place(tmp_path: Path) -> None:
    config = tiny_config(steps=7, learning_rate=0.5, schedule="warmup_cosine", classifier_rate=0.1)
    one = trainer(tmp_path, config)
    tiles, damaged = TrainingBatches(MemorySource(), Passes(TRAIN, config.training.seed), config.training, 7)[0]
    one._step = 4
    one._train_step(tiles, damaged)
    rate = 0.5 * rate_factor(4, 7, "warmup_cosine")
    assert [group["lr"] for group in one._optimiser.param_groups] == pytest.approx([rate, 0.1 * rate])
    slow = {id(parameter) for parameter in one._optimiser.param_groups[1]["params"]}
    assert slow == {id(parameter) for parameter in one.model.classifier.parameters()}
    assert sum(len(group["params"]) for group in one._optimiser.param_groups) == len(one.model.trainable_parameters())


def test_half_precision_trains_nearly_the_same(tmp_path: Path) -> None:
    (tmp_path / "half").mkdir()
    full = trainer(tmp_path, tiny_config(steps=3, precision="float32")).fit(QUIET)
    half = trainer(tmp_path / "half", tiny_config(steps=3, precision="bfloat16")).fit(QUIET)
    assert half[0].loss_fm == pytest.approx(full[0].loss_fm, rel=0.05)
    assert half != full, "it is another arithmetic"


@pytest.mark.parametrize(
    ("training", "expected"),
    [
        ({"steps": None, "epochs": 5}, (4, 20)),
        ({"steps": None, "epochs": 5, "steps_per_epoch": 750}, (750, 3750)),
        ({"steps": 200}, (4, 200)),
        ({"steps": 200, "originals_per_batch": 64}, (1, 200)),
    ],
)
def test_the_length_of_a_run_is_as_configured(training: dict[str, int | None], expected: tuple[int, int]) -> None:
    assert plan_steps(tiny_config(**training), 9) == expected
