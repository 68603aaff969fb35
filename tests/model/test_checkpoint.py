"""Checkpoints: a round trip changes nothing, and whatever is not one of ours is refused unexecuted."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from tests.model.tiny import EVERY_INGREDIENT, TILE, tiny_checkpoint
from wsi_haloae.config import ScoringConfig
from wsi_haloae.errors import CheckpointError
from wsi_haloae.model.checkpoint import Checkpoint
from wsi_haloae.provenance.trained_on import TrainedOn, UsedSlide


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    tiny_checkpoint().save(tmp_path / "model.safetensors")
    return tmp_path / "model.safetensors"


Change = Callable[[dict[str, torch.Tensor], dict[str, Any]], None]


def rewrite(path: Path, change: Change) -> None:
    """As a version before digests would have written it."""
    with safe_open(path, "pt") as file:
        tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
        header = json.loads(file.metadata()["wsi-haloae"])
    del header["sha256"]
    change(tensors, header)
    save_file(tensors, path, metadata={"wsi-haloae": json.dumps(header)})


def with_facts(change: Callable[[dict[str, Any]], None]) -> Change:
    return lambda _tensors, header: change(header["facts"])


def test_a_round_trip_keeps_every_output_and_fact(saved: Path) -> None:
    before, after = tiny_checkpoint(), Checkpoint.load(saved)
    images = torch.randn(2, 3, TILE, TILE)
    with torch.no_grad():
        one, other = before.model(images), after.model(images)
    for name in ("features", "reconstruction", "image", "logits"):
        assert torch.equal(getattr(one, name), getattr(other, name)), name
    assert after.facts == before.facts
    assert torch.equal(after.mean_map, before.mean_map)
    assert torch.equal(after.feature_range, before.feature_range)
    assert not after.model.training
    np.testing.assert_array_equal(after.calibration.scores, before.calibration.scores)
    np.testing.assert_array_equal(after.calibration.weights, before.calibration.weights)
    assert after.calibration.facts == before.calibration.facts
    assert set(after.gaussians) == set(before.gaussians)
    for name, gaussian in before.gaussians.items():
        assert torch.equal(after.gaussians[name].mean, gaussian.mean)
        assert torch.equal(after.gaussians[name].precision, gaussian.precision)


def test_a_checkpoint_from_before_the_ingredients_is_what_it_was(saved: Path) -> None:
    def forget(header: dict[str, Any]) -> None:
        config = header["config"]
        for key in ("code_dropout", "code_rank"):
            del config["model"]["autoencoder"][key]
        for key in ("layer_groups", "easy_share", "easy_gradient", "negatives"):
            del config["loss"][key]
        del config["model"]["attention"]["mask_neighbours"], config["model"]["recentre"]

    expected = Checkpoint.load(saved)
    rewrite(saved, with_facts(forget))
    found = Checkpoint.load(saved)
    assert found.facts == expected.facts
    features = torch.randn(2, found.model.backbone.channels, 12, 12)
    with torch.no_grad():
        assert torch.equal(found.model.reconstruct(features), expected.model.reconstruct(features))


def test_a_checkpoint_keeps_every_ingredient(tmp_path: Path) -> None:
    before = tiny_checkpoint(**EVERY_INGREDIENT)
    before.save(tmp_path / "model.safetensors")
    after = Checkpoint.load(tmp_path / "model.safetensors")
    assert after.facts == before.facts
    features = torch.randn(2, after.model.backbone.channels, 12, 12)
    with torch.no_grad():
        assert torch.equal(after.model.reconstruct(features), before.model.reconstruct(features))
        assert not torch.allclose(after.model.reconstruct(features), tiny_checkpoint().model.reconstruct(features))


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("rule.layers.mean", "scoring rule 'layers'"),
        ("rule.layers.precision", "scoring rule 'layers'"),
        ("calibration.scores", "calibration scores"),
        ("calibration.weights", "calibration scores"),
    ],
)
def test_missing_or_cut_statistics_are_refused(name: str, told: str, saved: Path) -> None:
    whole = saved.read_bytes()
    rewrite(saved, lambda tensors, _: tensors.pop(name))
    with pytest.raises(CheckpointError, match=told):
        Checkpoint.load(saved)
    saved.write_bytes(whole)
    rewrite(saved, lambda tensors, _: tensors.update({name: tensors[name][:-1].clone()}))
    with pytest.raises(CheckpointError, match=told):
        Checkpoint.load(saved)


def test_a_rule_that_scores_must_have_its_statistics(tmp_path: Path) -> None:
    bare = replace(tiny_checkpoint(), gaussians={})
    scoring = bare.facts.config.scoring.model_copy(update={"rule": "layers"})
    config = bare.facts.config.model_copy(update={"scoring": scoring})
    replace(bare, facts=bare.facts.model_copy(update={"config": config})).save(tmp_path / "model.safetensors")
    with pytest.raises(CheckpointError, match="scoring rule 'layers'"):
        Checkpoint.load(tmp_path / "model.safetensors")


def test_the_digest_is_that_of_the_file(saved: Path) -> None:
    assert Checkpoint.load(saved).sha256 == hashlib.sha256(saved.read_bytes()).hexdigest()


def test_the_same_contents_give_the_same_bytes(saved: Path, tmp_path: Path) -> None:
    tiny_checkpoint().save(tmp_path / "again.safetensors")
    Checkpoint.load(saved).save(tmp_path / "loaded.safetensors")
    assert (tmp_path / "again.safetensors").read_bytes() == saved.read_bytes()
    assert (tmp_path / "loaded.safetensors").read_bytes() == saved.read_bytes()


def test_a_failed_save_leaves_the_old_file(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = saved.read_bytes()

    def fail(_tensors: object, path: Path, **_header: object) -> None:
        path.write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr("wsi_haloae.model.checkpoint.save_file", fail)
    with pytest.raises(OSError, match="disk full"):
        tiny_checkpoint(3).save(saved)
    assert saved.read_bytes() == before
    assert list(saved.parent.iterdir()) == [saved]


def test_safetensors_of_others_are_refused(tmp_path: Path) -> None:
    save_file({"features.0.weight": torch.zeros(1)}, tmp_path / "vgg.safetensors")
    with pytest.raises(CheckpointError, match="--weights"):
        Checkpoint.load(tmp_path / "vgg.safetensors")


def test_another_format_version_is_refused_by_its_number(saved: Path) -> None:
    rewrite(saved, lambda _tensors, header: header.update(format_version=99))
    with pytest.raises(CheckpointError, match="of format 99"):
        Checkpoint.load(saved)


OLD_SCORING = {"source": "features", "residual": "mse", "normalisation": "absolute", "smooth": True, "glass_level": 0.8}


@pytest.mark.parametrize(
    ("pooling", "scoring"),
    [
        ("combined", ScoringConfig(rule="combined", glass_level=0.8)),
        ("structure", ScoringConfig(rule="structure", glass_level=0.8)),
        ("classifier", ScoringConfig(rule="classifier", glass_level=0.8)),
        ("mean", ScoringConfig(glass_level=0.8)),
        ("max", ScoringConfig(pooling="max", glass_level=0.8)),
    ],
)
def test_format_4_is_read_whose_pooling_was_the_rule(pooling: str, scoring: ScoringConfig, saved: Path) -> None:
    old = {**OLD_SCORING, "pooling": pooling}

    def as_before(_tensors: dict[str, torch.Tensor], header: dict[str, Any]) -> None:
        header["format_version"] = 4
        config = header["facts"]["config"]
        config["scoring"] = old
        config["split"] = {"select": 0.2, "calibrate": 0.3}
        config["training"]["select_tiles"] = config["training"].pop("validation_tiles")
        header["facts"]["training"] = {"tiles": {"train": 5, "select": 4, "calibrate": 3}, "select_fm": 0.5}

    before = Checkpoint.load(saved).facts.config
    rewrite(saved, as_before)
    facts = Checkpoint.load(saved).facts
    assert facts.config.scoring == scoring
    assert (facts.config.split.validation, facts.config.split.calibration) == (0.2, 0.3)
    assert facts.config.training == before.training
    assert facts.training == {"tiles": {"train": 5, "validation": 4, "calibration": 3}, "validation_fm": 0.5}


@pytest.mark.parametrize("version", [4, 5])
@pytest.mark.parametrize("rule", ["content", "combined"])
def test_a_range_of_residuals_is_not_taken_for_one_of_other_maps(version: int, rule: str, saved: Path) -> None:
    def as_before(_tensors: dict[str, torch.Tensor], header: dict[str, Any]) -> None:
        named = {"pooling": rule} if version == 4 else {"rule": rule}
        scoring = {"residual": "mse", "smooth": True, "glass_level": 0.8, **named}
        header["format_version"] = version
        header["facts"]["map_range"] = [0.1, 0.7]
        header["facts"]["config"]["scoring"] = scoring

    rewrite(saved, as_before)
    facts = Checkpoint.load(saved).facts
    assert facts.config.scoring.rule == rule
    assert facts.map_range == (None if rule == "content" else (0.1, 0.7))


@pytest.mark.parametrize("scoring", [None, [], {}, {**OLD_SCORING, "pooling": "wrong"}, {**OLD_SCORING, "pooling": []}])
def test_a_damaged_header_of_format_4_is_refused(scoring: object, saved: Path) -> None:
    def damage(_tensors: dict[str, torch.Tensor], header: dict[str, Any]) -> None:
        header["format_version"] = 4
        header["facts"]["config"]["scoring"] = scoring

    rewrite(saved, damage)
    with pytest.raises(CheckpointError, match="header is damaged"):
        Checkpoint.load(saved)


@pytest.mark.parametrize("keep", [0, 4, 100, 0.5, 0.99])
def test_a_truncated_file_is_refused(keep: float, saved: Path) -> None:
    content = saved.read_bytes()
    saved.write_bytes(content[: int(keep * len(content)) if isinstance(keep, float) else keep])
    with pytest.raises(CheckpointError, match="cannot be read"):
        Checkpoint.load(saved)


class _Trap:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.mkdir, (str(self.path),)


def test_a_pickle_is_refused_and_not_executed(tmp_path: Path) -> None:
    trap = tmp_path / "sprung"
    (tmp_path / "model.safetensors").write_bytes(pickle.dumps(_Trap(trap)))
    torch.save({"x": _Trap(trap)}, tmp_path / "model.pt")
    for name in ("model.safetensors", "model.pt"):
        with pytest.raises(CheckpointError):
            Checkpoint.load(tmp_path / name)
    assert not trap.exists()


@pytest.mark.parametrize("name", ["absent.safetensors", "."])
def test_a_file_that_is_none_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match="cannot be read"):
        Checkpoint.load(tmp_path / name)


def drop(name: str) -> Change:
    return lambda tensors, _header: tensors.__delitem__(name)


def put(name: str, value: torch.Tensor) -> Change:
    return lambda tensors, _header: tensors.__setitem__(name, value)


HEAD = "model.encoder.head.0.weight"
TAMPERING = {
    "weight missing": drop(HEAD),
    "weight too many": put("model.extra", torch.zeros(1)),
    "weight of another shape": put(HEAD, torch.zeros(2, 2)),
    "weight of another type": put(HEAD, torch.zeros(8, 32, 5, 5, dtype=torch.float64)),
    "mean map missing": drop("statistics.mean_map"),
    "mean map of another shape": put("statistics.mean_map", torch.zeros(3, 3)),
    "ranges missing": drop("statistics.feature_range"),
    "ranges of another shape": put("statistics.feature_range", torch.zeros(2)),
    "facts missing": lambda _tensors, header: header.__delitem__("facts"),
    "facts no mapping": lambda _tensors, header: header.update(facts="{"),
    "another kind": lambda _tensors, header: header.update(kind="cat"),
    "facts with an unknown key": with_facts(lambda facts: facts.update(extra=1)),
    "configuration with an unknown key": with_facts(lambda facts: facts["config"].update(extra=1)),
    "tile size of no model": with_facts(lambda facts: facts.update(tile_size=50)),
    "tile size of another model": with_facts(lambda facts: facts.update(tile_size=64)),
    "tile size beyond all memory": with_facts(lambda facts: facts.update(tile_size=16 * 2**40)),
    "tile size beyond all numbers": with_facts(lambda facts: facts.update(tile_size=16 * 2**60)),
    "model beyond all memory": with_facts(lambda f: f["config"]["model"]["autoencoder"].update(head_width=10**12)),
    "a range that is none": with_facts(lambda facts: facts.update(display_range=[1.0, 1.0])),
    "a range of no numbers": with_facts(lambda facts: facts.update(display_range=[0.0, float("nan")])),
    "no pixel size": with_facts(lambda facts: facts.update(mpp=0)),
    "a calibration of nothing": with_facts(lambda facts: facts["calibration"].update(effective_tiles=-1)),
    "another backbone": with_facts(lambda f: f["config"]["model"]["features"].update(backbone="vgg19")),
}


def test_what_the_tampering_starts_from_is_sound(saved: Path) -> None:
    rewrite(saved, with_facts(lambda facts: facts.update(tile_size=TILE)))
    assert Checkpoint.load(saved).model.encoder.head[0].weight.shape == (8, 32, 5, 5)


@pytest.mark.parametrize("change", TAMPERING.values(), ids=TAMPERING.keys())
def test_a_tampered_file_is_refused(change: Change, saved: Path) -> None:
    rewrite(saved, change)
    with pytest.raises(CheckpointError, match=r"model\.safetensors"):
        Checkpoint.load(saved)


def spoil(name: str, value: float) -> Change:
    def change(tensors: dict[str, torch.Tensor], _header: dict[str, Any]) -> None:
        tensors[name] = tensors[name].clone()
        tensors[name].view(-1)[-1] = value

    return change


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_and_statistics_that_are_no_numbers_are_named(value: float, saved: Path, tmp_path: Path) -> None:
    with safe_open(saved, "pt") as file:
        names = [name for name in file.keys() if file.get_tensor(name).is_floating_point()]  # noqa: SIM118
    assert {"statistics.mean_map", "calibration.scores", "rule.content.precision"} < set(names)
    for name in names:
        path = tmp_path / f"{name}.safetensors"
        shutil.copy(saved, path)
        rewrite(path, spoil(name, value))
        with pytest.raises(CheckpointError, match=rf"{re.escape(name)} holds values that are no numbers"):
            Checkpoint.load(path)


@pytest.mark.parametrize(
    ("name", "told"),
    [("model.standardise.std", "deviations of 0"), ("calibration.weights", "add up to 1")],
)
def test_statistics_that_were_zeroed_are_refused(name: str, told: str, saved: Path) -> None:
    rewrite(saved, spoil(name, 0.0))
    with pytest.raises(CheckpointError, match=told):
        Checkpoint.load(saved)


def test_calibration_scores_that_do_not_rise_are_refused(saved: Path) -> None:
    rewrite(saved, spoil("calibration.scores", -1e6))
    with pytest.raises(CheckpointError, match="do not rise"):
        Checkpoint.load(saved)


@pytest.mark.parametrize("text", ["", "{", "[" * 100_000, "[]", "null", '{"kind": "wsi-haloae checkpoint"}'])
def test_a_damaged_header_is_refused(text: str, tmp_path: Path) -> None:
    save_file({"x": torch.zeros(1)}, tmp_path / "model.safetensors", metadata={"wsi-haloae": text})
    with pytest.raises(CheckpointError, match="header is damaged"):
        Checkpoint.load(tmp_path / "model.safetensors")


def knowing() -> Checkpoint:
    slide = UsedSlide(
        fingerprint="f", tile_size=TILE, stride=TILE, l0_scale_x=1.0, l0_scale_y=1.0, first_row=0, first_column=0,
        rows=2, columns=3,
    )  # fmt: skip
    parts = np.array([[1, 2, 3], [0, 1, 0]], np.uint8)
    known = TrainedOn.of([(slide, parts)], {"Jane Doe": {"train"}}, {"train": [np.int64(-5), np.int64(7)]})
    return tiny_checkpoint().knowing(known)


def test_what_a_model_was_trained_on_comes_back(tmp_path: Path) -> None:
    knowing().save(tmp_path / "m.safetensors")
    found = Checkpoint.load(tmp_path / "m.safetensors")
    assert found.trained_on is not None
    assert found.trained_on.facts == found.facts.trained_on
    assert found.trained_on.use_of("f", "Jane Doe").slide == {"train": 2, "validation": 1, "calibration": 1}
    assert found.trained_on.use_of("f", "Jane Doe").patient == ("train",)
    assert found.trained_on.parts_of(np.array([7, 8, -5])).tolist() == [1, 0, 1]
    assert b"Jane" not in (tmp_path / "m.safetensors").read_bytes()


def test_a_checkpoint_from_before_it_was_kept_is_read(saved: Path) -> None:
    rewrite(saved, with_facts(lambda facts: facts.pop("trained_on")))
    assert Checkpoint.load(saved).trained_on is None


@pytest.mark.parametrize("name", ["trained_on.cells", "trained_on.images"])
def test_damaged_fingerprints_are_refused(name: str, tmp_path: Path) -> None:
    path = tmp_path / "m.safetensors"
    for change in (
        lambda tensors, _: tensors.pop(name),
        lambda tensors, _: tensors.update({name: tensors[name].float()}),
        lambda tensors, _: tensors.update({name: tensors[name][1:]}),
    ):
        knowing().save(path)
        rewrite(path, change)
        with pytest.raises(CheckpointError, match="trained"):
            Checkpoint.load(path)


def flips(size: int, count: int = 200) -> list[tuple[int, int]]:
    random = np.random.default_rng(19)
    return list(zip(random.integers(0, size, count).tolist(), random.integers(0, 8, count).tolist(), strict=True))


def test_no_flipped_bit_goes_unnoticed(saved: Path) -> None:
    raw = saved.read_bytes()
    header = 8 + int.from_bytes(raw[:8], "little")
    for place, bit in flips(len(raw)) + flips(header):
        changed = bytearray(raw)
        changed[place] ^= 1 << bit
        saved.write_bytes(changed)
        with pytest.raises(CheckpointError):
            Checkpoint.load(saved)
    saved.write_bytes(raw)
    Checkpoint.load(saved)


@pytest.mark.parametrize("share", [0.5, 0.97, 0.999])
def test_a_file_that_is_zeroed_from_somewhere_on_is_refused(share: float, saved: Path) -> None:
    raw = saved.read_bytes()
    kept = int(share * len(raw))
    saved.write_bytes(raw[:kept] + bytes(len(raw) - kept))
    with pytest.raises(CheckpointError, match=r"is damaged: its bytes.*Copy the file again"):
        Checkpoint.load(saved)


@pytest.mark.parametrize("digest", ["", "0" * 63, "x" * 64, 7, [], {}])
def test_a_digest_of_any_content_is_refused(digest: object, saved: Path) -> None:
    """`make fuzz` found the empty one."""
    rewrite(saved, lambda _tensors, header: header.update(sha256=digest))
    with pytest.raises(CheckpointError, match="damaged"):
        Checkpoint.load(saved)


def test_a_checkpoint_from_before_digests_is_read(saved: Path) -> None:
    rewrite(saved, lambda _tensors, _header: None)
    assert Checkpoint.load(saved).sha256 == hashlib.sha256(saved.read_bytes()).hexdigest()
