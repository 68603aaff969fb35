"""The decoder study on small made-up tiles: training on kept features, judging, and tables of all rows."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

from pipelines.decoder_study import main
from tests.integration.mvtec_images import write_config, write_set
from tests.model.tiny import TINY, tiny_config
from tests.training.tiles import MemorySource
from wsi_haloae.cli.main import run
from wsi_haloae.config import MVTEC_BASE, SLIDE_BASE, Config, SplitConfig, load_config
from wsi_haloae.errors import UsageError
from wsi_haloae.experiments.decoder import study as decoder_study
from wsi_haloae.experiments.decoder.cache import FeatureCache
from wsi_haloae.experiments.decoder.judgement import combine
from wsi_haloae.experiments.decoder.kept import KeptSet
from wsi_haloae.experiments.decoder.limits import has_limits, write_limits
from wsi_haloae.experiments.decoder.model import begin
from wsi_haloae.experiments.decoder.rows import (
    BASELINE,
    CODE_WIDTHS,
    CONTROL,
    DECIDING,
    LIMITS,
    PAIR,
    ROWS,
    DecoderRow,
    missing_for_together,
    passing,
    put_together,
)
from wsi_haloae.experiments.decoder.sets import DefectMasks, StudyData, StudySet, open_set
from wsi_haloae.experiments.decoder.study import Study, StudyOptions
from wsi_haloae.experiments.decoder.training import DecoderTrainer
from wsi_haloae.experiments.decoder.views import damaged
from wsi_haloae.progress import Reporter
from wsi_haloae.training.fit import fit
from wsi_haloae.training.job import TrainingData, TrainingJob
from wsi_haloae.training.split import split_by_group

QUIET, CPU = Reporter(quiet=True), torch.device("cpu")
PLAIN = {"flip": False, "colour_jitter": 0.0}


class KilledError(Exception):
    """What a kill looks like from inside."""


def made_up() -> StudySet:
    """Stripes; in the anomalous half of the judged ones, a grey square that is marked."""
    source, judged = MemorySource(16), MemorySource(12, name="judged")
    anomalous = np.arange(12) % 2 == 1
    judged.tiles[anomalous, 12:28, 12:28] = 128
    masks = np.zeros((12, 256, 256), np.bool_)
    masks[anomalous, 64:149, 64:149] = True
    split = split_by_group(source.groups, SplitConfig(validation=0.25, calibration=0.25), 0)
    groups = np.array([str(number) for number in range(12)])
    defects = DefectMasks(np.ones(12, np.bool_), masks)
    return StudySet("metal_nut", source, split, judged, anomalous, groups, local=True, defects=defects)


def test_the_recipe_keeps_the_features_of_a_set(tmp_path: Path) -> None:
    write_set(tmp_path / "mvtec" / "screw", train=10, kinds=("hole",), each=1)
    chosen = ["--set-name", "screw", "--backbone", "random", "--config", str(write_config(tmp_path))]
    output = tmp_path / "out"
    assert run([str(tmp_path), "-o", str(output), "--features-only", *chosen], main, "decoder_study.py") == 0
    kept = {path.parent.name.rpartition("-")[0] for path in output.glob("cache/screw/random/*/features.npy")}
    assert kept == {"reference", "augmented", "patch", "scar", "judged"}
    tiles = open_set("screw", StudyData(tmp_path, tmp_path / "work", QUIET))
    assert sorted(np.concatenate(list(tiles.split.tiles.values()))) == list(range(10))
    assert tiles.defects is not None
    assert tiles.defects.masks.any(axis=(1, 2)).tolist() == tiles.anomalous.tolist()
    assert tiles.local
    assert run([str(tmp_path), "-o", str(output), "--set-name", "nut"], main, "decoder_study.py") == 2


def config(**training: object) -> Config:
    found = tiny_config(**{**PLAIN, **training}).model_dump()
    return Config.model_validate({**found, "loss": {"cls": False, "im": False}})


def kept(folder: Path, settings: Config) -> KeptSet:
    return KeptSet.of(made_up(), FeatureCache(folder / "cache", settings, None, QUIET), settings)


def trainer(given: KeptSet, settings: Config, folder: Path, identity: str = "same") -> DecoderTrainer:
    folder.mkdir(exist_ok=True)
    model, feature_range = begin(given.kept, settings, CPU, QUIET)
    return DecoderTrainer(model, feature_range, given.kept, settings, lambda _: 0.5, folder, {"is": identity}, CPU)


def test_a_training_on_kept_features_is_the_products(tmp_path: Path) -> None:
    """Without augmentation both see the same tiles in the first pass, up to half precision."""
    settings = config(steps=4, learning_rate=1e-3)
    given = kept(tmp_path, settings)
    own = trainer(given, settings, tmp_path / "own")
    own._order = own._order.__class__(np.arange(len(given.kept.train)), settings.training.seed)
    found = own.fit(QUIET)
    parts = given.tiles.split.tiles
    data = TrainingData(given.tiles.source, parts["train"], parts["validation"])
    checkpoint, curve = fit(TrainingJob(settings, data, tmp_path, "identity", CPU), QUIET)
    assert found.curve[-1].held_out_fm == pytest.approx(curve[-1].validation_fm, rel=2e-2)
    assert found.curve[-1].train_fm == pytest.approx(curve[-1].loss_fm, rel=2e-2)
    torch.testing.assert_close(own.model.standardise.mean, checkpoint.model.standardise.mean, rtol=1e-2, atol=1e-3)


@pytest.mark.parametrize("step", [1, 4, 6])
def test_a_killed_and_resumed_training_gives_the_same_bits(
    step: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = config(steps=7, steps_per_epoch=3)
    given = kept(tmp_path, settings)
    whole = trainer(given, settings, tmp_path / "whole")
    expected = whole.fit(QUIET)
    killed = trainer(given, settings, tmp_path / "killed")
    real = killed._train_step

    def dying(number: int) -> float:
        if number == step:
            raise KilledError
        return real(number)

    monkeypatch.setattr(killed, "_train_step", dying)
    with pytest.raises(KilledError):
        killed.fit(QUIET)
    resumed = trainer(given, settings, tmp_path / "killed")
    torch.manual_seed(99)
    assert resumed.fit(QUIET).curve == expected.curve
    states = [one.model.trained_state() for one in (whole, resumed)]
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])
    with pytest.raises(UsageError, match="delete this file"):
        trainer(given, settings, tmp_path / "killed", "other").fit(QUIET)


def test_damaged_copies_follow_the_originals_that_they_were_made_from(tmp_path: Path) -> None:
    settings = config(originals_per_batch=3, damaged_per_batch=1)
    given = kept(tmp_path, settings)
    copies = FeatureCache(tmp_path / "cache", settings, None, QUIET).maps("damaged", damaged(given.tiles))
    features, flags = trainer(given, settings, tmp_path / "without")._batch(0)
    assert flags.tolist() == [False] * 3
    with_copies = replace(given, kept=replace(given.kept, damaged=copies))
    one = trainer(with_copies, settings, tmp_path / "with")
    found, flags = one._batch(0)
    assert flags.tolist() == [False, True, True, False, False]
    torch.testing.assert_close(found[~flags], features)
    count = len(given.kept.train)
    first = one._order.tile(0) % count
    torch.testing.assert_close(found[flags], copies.read(np.array([first, count + first])))


def test_a_training_that_diverged_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    settings = config(steps=2)
    one = trainer(kept(tmp_path, settings), settings, tmp_path / "one")
    monkeypatch.setattr(one, "_held_out_loss", lambda: float("nan"))
    with pytest.raises(UsageError, match="diverged"):
        one.fit(QUIET)


def test_changed_cells_are_those_of_the_damage(tmp_path: Path) -> None:
    given = kept(tmp_path, config())
    assert given.changed.keys() == {"patch", "scar"}
    shares = {kind: cells.mean(axis=(1, 2)) for kind, cells in given.changed.items()}
    assert all(((share > 0) & (share < 0.5)).all() for share in shares.values())


def test_combined_scores_weigh_both_alike_whatever_their_scale() -> None:
    random = np.random.default_rng(0)
    usual = random.lognormal(size=(2, 500))
    both = combine((usual[0], usual[1]), (np.array([10.0, 1.0]), np.array([1.0, 10.0])))
    scaled = combine((1e3 * usual[0], usual[1]), (1e3 * np.array([10.0, 1.0]), np.array([1.0, 10.0])))
    np.testing.assert_allclose(both, scaled, rtol=1e-4)
    assert both[0] == pytest.approx(both[1], rel=0.2)
    signed = combine((usual[0] - 2, usual[1]), (np.array([-1.0, 5.0]), np.array([1.0, 1.0])))
    assert signed[1] > signed[0], "a score below 0 has no logarithm"


@pytest.mark.parametrize("row", [*ROWS, *LIMITS], ids=lambda row: row.name)
@pytest.mark.parametrize("base", [SLIDE_BASE, MVTEC_BASE])
def test_every_row_is_a_configuration(row: DecoderRow, base: str) -> None:
    asked = put_together([one for one in ROWS if one.single]) if row.together else row.settings
    plain, changed = (load_config(["haloae-small", "only-fm"], some, base=base) for some in ((), asked))
    assert (changed == plain) is (row is BASELINE)


def test_the_loss_that_passed_is_a_preset() -> None:
    asked = load_config(["haloae-small", "only-fm"], CODE_WIDTHS[32].settings, base=MVTEC_BASE)
    assert load_config(["haloae-small", "damped-cosine"], base=MVTEC_BASE) == asked


def test_rows_of_the_curve_change_the_code_and_nothing_else() -> None:
    for width, row in CODE_WIDTHS.items():
        found = load_config(["haloae-small", "only-fm"], row.settings, base=MVTEC_BASE)
        assert found.model.autoencoder.encoder[-1].out == found.model.autoencoder.decoder[0].mid == width
        assert found.loss == load_config(["haloae-small", "only-fm"], CODE_WIDTHS[32].settings, base=MVTEC_BASE).loss


@pytest.mark.parametrize(
    "settings",
    [
        ("model.autoencoder.code_dropout=0.2", "model.recentre=tile", "training.stop_by=synthetic"),
        ("loss.fm_terms=cosine", "loss.easy_share=0.9", "training.stop_by=synthetic"),
        ("loss.negatives=true", "model.autoencoder.code_rank=4"),
    ],
)
def test_ingredients_are_trained_and_judged(
    settings: tuple[str, ...], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoder_study, "open_set", lambda _name, _data: made_up())
    preset = tmp_path / "tiny.yaml"
    preset.write_text(yaml.safe_dump({"model": TINY, "training": {"originals_per_batch": 2, **PLAIN}}))
    output = tmp_path / "out"
    options = StudyOptions(tmp_path, output, tmp_path / "cache", (str(preset),), (), {}, 2, "cpu")
    row = DecoderRow("baseline", settings)
    assert Study(options, Reporter(quiet=True)).run_all(["random"], ["metal_nut"], [row], [0]) == 0
    (found,) = json.loads((output / "table.json").read_text())
    assert {"whitened", "whitened, max", "layers_apart", "cosine", "cosine, max"} <= found["judgement"]["areas"].keys()


def areas(**by_row: list[float]) -> dict[str, dict[str, dict[int, float]]]:
    """The same for three seeds; rows that are not named are level with the baseline."""
    found = {row.name: {name: dict.fromkeys(range(3), 0.8) for name in DECIDING} for row in ROWS}
    for name, values in by_row.items():
        row = name.replace("_", " ")
        found[row] = {tiles: dict.fromkeys(range(3), value) for tiles, value in zip(DECIDING, values, strict=True)}
    return found


def test_ingredients_pass_if_they_help_and_harm_no_deciding_set() -> None:
    found = areas(noise_on_the_code=[0.85, 0.795], tiles_recentred=[0.95, 0.78], cosine_loss=[0.8, 0.81])
    assert [row.name for row in passing(found)] == ["noise on the code", "cosine loss"]
    assert put_together(passing(found)) == (
        "model.autoencoder.code_dropout=0.2",
        "loss.fm_terms=cosine",
        "loss.easy_share=0",
    )
    assert put_together([]) == PAIR.settings
    assert missing_for_together(found, 3) == []
    del found["cosine loss"][DECIDING[1]]
    assert missing_for_together(found, 3) == [f"cosine loss on {DECIDING[1]}"]
    assert [row.name for row in passing(found)] == ["noise on the code"], "it was not run on both sets"


def test_only_ingredients_that_pass_with_the_first_seed_are_repeated() -> None:
    found = areas(cosine_loss=[0.85, 0.8], tiles_recentred=[0.95, 0.78])
    for row in ("cosine loss", "tiles recentred"):
        found[row] = {name: {0: seeds[0]} for name, seeds in found[row].items()}
    assert missing_for_together(found, 3) == [f"cosine loss on {name}" for name in DECIDING]
    found["cosine loss"][DECIDING[0]] |= {1: 0.7, 2: 0.7}
    assert missing_for_together(found, 3) == [], "it no longer passes"


def test_rows_are_run_once_and_all_of_them_are_in_the_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(decoder_study, "open_set", lambda _name, _data: made_up())
    preset = tmp_path / "tiny.yaml"
    settings = {"originals_per_batch": 2, "statistics_tiles": 8, **PLAIN}
    principal = {**TINY, "autoencoder": {**TINY["autoencoder"], "start": "principal"}}
    preset.write_text(yaml.safe_dump({"model": principal, "training": {**settings, "learning_rate": 0.1}}))
    output = tmp_path / "out"
    options = StudyOptions(tmp_path, output, tmp_path / "cache", (str(preset),), (), {}, 2, "cpu")
    wrong = DecoderRow("noise on the code", ("model.no_such_setting=1",))

    def go(*rows: DecoderRow, seeds: tuple[int, ...] = (0,)) -> int:
        return Study(options, Reporter()).run_all(["random"], ["metal_nut"], rows, seeds)

    assert go(CONTROL, BASELINE, wrong, ROWS[-1]) == 1
    assert "no such setting" in capsys.readouterr().err
    table = (output / "table.md").read_text()
    assert "| noise on the code | seed 0 failed:" in table
    assert "| metal_nut, random | `cosine, max` | 0 |" in table, "what training adds"
    assert "| together, long | seed 0 failed: ingredients are put together from 3 seeds" in table
    assert table.count("not run") == len(ROWS) - 4
    found = json.loads((output / "table.json").read_text())
    done, control = (one for one in found if "judgement" in one)
    assert control["steps"] == 1
    assert control["residual"] / control["pca_residual"] < done["residual"] / done["pca_residual"]
    judged = done["judgement"]
    assert done["steps"] == 2
    assert {"PCA, max", "kNN with a coreset, mean", "pooled Mahalanobis", "structure", "paper"} <= judged[
        "areas"
    ].keys()
    assert judged["rule"] == max(
        (name for name in judged["marks"] if name != "content"), key=lambda name: judged["marks"][name]
    )
    assert judged["areas"][judged["rule"]] == judged["against"]["decoder"]["auroc"]
    assert judged["areas"]["kNN with a coreset, max"] > 0.9, "a grey square is far from stripes"
    rivals = {"PCA", "kNN with a coreset", "per-location Mahalanobis", "CFlow-AD"}
    assert judged["maps"]["rivals"].keys() == rivals
    assert judged["maps"]["rivals"]["kNN with a coreset"] > 0.5
    assert (output / "differences.png").stat().st_size > 1000
    written = {path: path.stat().st_mtime_ns for path in (output / "random" / "metal_nut" / "rivals").iterdir()}
    assert go(BASELINE, seeds=(0, 1)) == 0
    assert capsys.readouterr().err.count("done already") == 1
    assert {path: path.stat().st_mtime_ns for path in written} == written
    assert "| baseline | 0, 1 |" in (output / "table.md").read_text()


def test_tiles_that_are_anomalous_as_a_whole_have_no_maps_to_judge(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decoder_study, "open_set", lambda _name, _data: replace(made_up(), local=False, defects=None))
    preset = tmp_path / "tiny.yaml"
    preset.write_text(yaml.safe_dump({"model": TINY, "training": {"originals_per_batch": 2, **PLAIN}}))
    output = tmp_path / "out"
    options = StudyOptions(tmp_path, output, tmp_path / "cache", (str(preset),), (), {}, 1, "cpu")
    assert Study(options, QUIET).run_all(["random"], ["glas-grey"], [BASELINE], [0]) == 0
    kept = {path.parent.name.rpartition("-")[0] for path in (tmp_path / "cache").glob("*/*/*/features.npy")}
    assert kept == {"reference", "augmented", "judged", "shuffled-blocks", "magnified", "crowded"}
    (found,) = json.loads((output / "table.json").read_text())
    assert found["judgement"]["maps"] is None
    assert found["judgement"]["cell_marks"] == {}
    assert "## glas-grey, random" in (output / "table.md").read_text()


def test_the_curve_of_limits_is_drawn_from_two_points_on(tmp_path: Path) -> None:
    def point(row: DecoderRow, tiles: str, area: float, precisions: dict[str, float]) -> dict[str, object]:
        against = {"fixed rule": {"auroc": area, "rival_auroc": 0.9}}
        judged = {"against": against, "map_precisions": precisions, "maps": {"rivals": {"PCA": 0.2, "kNN": 0.5}}}
        return {"backbone": "vgg19", "set": tiles, "row": row.name, "seed": 0, "judgement": judged}

    found = [point(CODE_WIDTHS[width], "metal_nut", 0.9 + width / 1000, {"cosine": 0.5}) for width in (8, 32)]
    assert not has_limits(found[:1])
    assert has_limits(found)
    write_limits(tmp_path / "limits.png", [*found, point(CODE_WIDTHS[8], "glas-colour", 0.8, {})])
    assert (tmp_path / "limits.png").stat().st_size > 10_000
