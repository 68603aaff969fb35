"""Judging which rule trainings chose: by labelled tiles of histology sets, and by answers about real slides."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from pipelines.rule_choices import main
from tests.model.tiny import tiny_checkpoint
from wsi_haloae.cli.main import run
from wsi_haloae.experiments.real_slides import QUESTIONS, RESULTS_NAME, model_folder
from wsi_haloae.experiments.rule_choices import JudgedChoice, judged_choices


def judged(chosen: str, combined: float, content: float, descriptor: float = 0.5) -> JudgedChoice:
    return JudgedChoice.of("one", chosen, {"combined": combined, "content": content, "descriptor": descriptor})


@pytest.mark.parametrize(
    ("choice", "verdict", "right"),
    [
        (judged("combined", 0.9, 0.8), "helps", True),
        (judged("descriptor", 0.9, 0.8), "helps", False),
        (judged("combined", 0.7, 0.8), "harms", False),
        (judged("content", 0.7, 0.8), "harms", True),
        (judged("combined", 0.8, 0.6, descriptor=0.85), "harms", False),
        (judged("combined", 0.795, 0.8), "level", True),
        (judged("descriptor", 0.8, 0.8), "level", True),
    ],
)
def test_the_autoencoder_is_to_be_chosen_where_it_helps(choice: JudgedChoice, verdict: str, right: bool) -> None:
    assert (choice.verdict, choice.right) == (verdict, right)


def write_histology(folder: Path) -> None:
    """Four tiles, of which the last two are anomalous; only `combined` tells them."""
    right, wrong = [0.1, 0.2, 0.8, 0.9], [0.9, 0.8, 0.2, 0.1]
    scores = {"HaloAE": wrong, "HaloAE: combined": right, "HaloAE: content": wrong, "HaloAE: descriptor": wrong}
    methods = [{"name": name, "scores": values} for name, values in scores.items()]
    record = {"anomalous": [False, False, True, True], "rule": "content", "methods": methods}
    (folder / "colour-0").mkdir(parents=True)
    (folder / "colour-0" / "scores.json").write_text(json.dumps(record))


def write_slides(folder: Path) -> None:
    """Models of three tissues that chose `descriptor`; the auto-encoder harms by 0.1, averaged over questions."""
    areas = {"combined": 0.8, "content": 0.7, "descriptor": 0.9}
    rows = [
        {"question": one.words, "way": f"rule {rule}", "auroc": area + (0.05 if number % 2 else -0.05)}
        for number, one in enumerate(QUESTIONS)
        for rule, area in areas.items()
    ]
    folder.mkdir()
    (folder / RESULTS_NAME).write_text(json.dumps({"answers": {"vgg19": rows}}))
    checkpoint = tiny_checkpoint()
    scoring = checkpoint.facts.config.scoring.model_copy(update={"rule": "descriptor"})
    config = checkpoint.facts.config.model_copy(update={"scoring": scoring})
    for tissue in {one.reference for one in QUESTIONS}:
        path = folder / "vgg19" / model_folder(tissue) / "model.safetensors"
        path.parent.mkdir(parents=True)
        checkpoint.with_facts(config=config).save(path)


def test_choices_of_tiles_and_slides_are_judged(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_histology(tmp_path / "glas")
    write_slides(tmp_path / "slides")
    command = [str(tmp_path / "glas"), str(tmp_path / "slides"), "-o", str(tmp_path / "out")]
    assert run(command, main, "rule_choices.py") == 0
    printed = capsys.readouterr().out
    assert "3 of 4 trainings chose rightly" in printed
    assert "| glas, colour-0 | `content` | 0.000 | 1.000 | 0.000 | helps | **no** |" in printed
    assert {one.verdict for one in judged_choices(tmp_path / "slides")} == {"harms"}
    assert (tmp_path / "out" / "choices.md").read_text() in printed
    assert sum(one["right"] for one in json.loads((tmp_path / "out" / "choices.json").read_text())) == 3


def test_a_folder_without_results_is_an_error(tmp_path: Path) -> None:
    assert run([str(tmp_path), "-o", str(tmp_path / "out")], main, "rule_choices.py") == 2
