"""The questions of the next patient's slide, asked of Gaussian patients whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest

from wsi_haloae.adaptation.metric import Metric
from wsi_haloae.adaptation.neighbourhood import nowhere
from wsi_haloae.adaptation.reference import HeldOut, ReferenceDescriptors
from wsi_haloae.experiments.next_patient import SHARES, SIZES, Question, Scored, answers, first, mixtures
from wsi_haloae.experiments.next_patient_table import markdown_answers

SIZE, TILES = 128, 120
ASKED = Question(("B", "Liver"), ("A", "Liver"), ("A", "Tumor"))
OTHER_SLIDE = Question(("B", "Liver"), ("A", "Liver"), ("B", "Tumor"))


def patient(offset: float, *, seed: int, trained: bool = False) -> Scored:
    """Liver at ``offset`` in the first number, and a tumour that also differs in the 100th and varies more."""
    random = np.random.default_rng(seed)
    tiles = random.normal(size=(2 * TILES, SIZE)) * np.repeat([1.0, 1.5], TILES)[:, None]
    tiles[:, 0] += offset
    tiles[TILES:, 100] += 8
    classes = np.repeat(["Liver", "Tumor"], TILES)
    blocks = np.array([f"{offset} {number // 10}" for number in range(2 * TILES)])
    taught = np.arange(2 * TILES) < TILES // 2 if trained else np.zeros(2 * TILES, bool)
    return Scored({"content": tiles[:, 100]}, tiles.astype(np.float16), classes, blocks, taught)


@pytest.fixture(scope="module")
def reference() -> ReferenceDescriptors:
    random = np.random.default_rng(0)
    metric = Metric(np.zeros(SIZE), np.eye(SIZE), np.eye(SIZE))
    groups = np.repeat(np.arange(8, dtype=np.int32), 30)
    tiles = random.normal(size=(240, SIZE)).astype(np.float16)
    halves = (groups < 4, groups >= 4)
    return ReferenceDescriptors(
        metric, tuple(HeldOut(metric, tiles[own], groups[own], nowhere(int(own.sum()))) for own in halves)
    )


@pytest.fixture(scope="module")
def scored() -> dict[str, Scored]:
    return {"A": patient(30, seed=1), "B": patient(0, seed=2, trained=True)}


def test_adaptation_answers_what_distances_of_another_slide_cannot(
    scored: dict[str, Scored], reference: ReferenceDescriptors
) -> None:
    rows = {row.way: row for row in answers(ASKED, scored, reference, scored["B"].descriptors[:TILES])}
    assert rows["metric, none"].auroc < rows["metric, auto"].auroc
    assert rows["metric, auto"].auroc > 0.99
    assert rows["metric, none"].false_calls == 1
    assert rows["metric, auto"].false_calls < 0.2
    assert rows["metric, 10 anchors"].auroc > 0.99
    assert rows["kNN-5, slide"].auroc > 0.95
    assert rows["PCA-16, slide"].auroc > 0.95
    assert rows["rule content"].auroc > 0.99
    assert rows["metric of 96, auto"].auroc < rows["metric, auto"].auroc, "the tumour's number is not among the first"
    assert {f"metric of {size}, auto" for size in SIZES} <= set(rows)


def test_intervals_are_over_blocks_and_draws_of_anchors_have_none(
    scored: dict[str, Scored], reference: ReferenceDescriptors
) -> None:
    rows = {row.way: row for row in answers(ASKED, scored, reference, scored["B"].descriptors[:TILES])}
    row = rows["kNN-5, none"]
    assert row.interval.low <= row.auroc <= row.interval.high
    assert row.false_calls is None
    assert rows["metric, 3 anchors"].interval is None
    assert rows["metric, 3 anchors"].lowest <= rows["metric, 3 anchors"].auroc


def test_tiles_that_a_model_was_trained_on_are_not_judged(
    scored: dict[str, Scored], reference: ReferenceDescriptors
) -> None:
    """The trained tiles of B are given absurd scores, which nobody may see."""
    own = scored["B"]
    spoiled = np.where(own.trained_on, 1000.0, own.rules["content"])
    blind = Scored({"content": spoiled}, own.descriptors, own.classes, own.blocks, own.trained_on)
    question = Question(("B", "Liver"), ("B", "Liver"), ("B", "Tumor"))
    (row, *_) = answers(question, scored | {"B": blind}, reference, own.descriptors[:TILES])
    assert row.auroc > 0.99


def test_slides_are_mixed_as_asked(scored: dict[str, Scored], reference: ReferenceDescriptors) -> None:
    rows = list(mixtures(ASKED, scored, reference))
    assert [row.share for row in rows] == list(SHARES)
    assert rows[0].adapted == 1
    assert rows[-1].adapted == 0, "a core of tumour spreads too far"
    assert rows[-1].spread > rows[0].spread
    assert rows[2].auto > 0.99
    assert rows[0].auto is None


def test_fewer_numbers_are_the_first_components(reference: ReferenceDescriptors) -> None:
    fewer = first(reference, 16)
    assert fewer.dimensions == 16
    assert np.array_equal(fewer.held_out[1].descriptors, reference.held_out[1].descriptors[:, :16])


def test_the_table_has_a_row_for_each_way_and_a_column_for_each_network(
    scored: dict[str, Scored], reference: ReferenceDescriptors
) -> None:
    rows = list(answers(OTHER_SLIDE, scored, reference, scored["B"].descriptors[:TILES]))
    page = markdown_answers(
        {"vgg19": rows, "densenet121": rows[:3]}, {"vgg19": list(mixtures(ASKED, scored, reference))}
    )
    assert "## trained on liver of B: tumor of B against liver of A" in page
    assert "| way | vgg19: AUROC | false calls, found | densenet121: AUROC | false calls, found |" in page
    (line,) = (line for line in page.splitlines() if line.startswith("| metric, auto |"))
    assert line.endswith("|  |  |"), "the second network has no such row"
    assert sum(line.startswith(f"| {ASKED.words} |") for line in page.splitlines()) == len(SHARES)
