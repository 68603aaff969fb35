"""What a model remembers of its training: enough to recognise slides, patients and images, and no names."""

from __future__ import annotations

import json

import numpy as np
import pytest

from wsi_haloae.provenance.fingerprints import image_hash, patient_hash
from wsi_haloae.provenance.trained_on import TrainedOn, UsedSlide
from wsi_haloae.provenance.use import Use


def used(fingerprint: str, rows: int, columns: int, first: int = 0) -> UsedSlide:
    return UsedSlide(
        fingerprint=fingerprint, tile_size=64, stride=64, l0_scale_x=1.0, l0_scale_y=1.0,
        first_row=first, first_column=first, rows=rows, columns=columns,
    )  # fmt: skip


IMAGES = {
    part: [image_hash(np.full((4, 4, 3), value, np.uint8))] for value, part in enumerate(("train", "calibration"))
}


@pytest.fixture
def trained() -> TrainedOn:
    slides = [
        (used("a", 3, 3), np.array([[1, 1, 0], [2, 0, 0], [0, 0, 1]], np.uint8)),
        (used("b", 1, 2), np.array([[3, 3]], np.uint8)),
        (used("a", 1, 1, first=9), np.array([[1]], np.uint8)),
    ]
    return TrainedOn.of(slides, {"Jane Doe": {"validation", "train"}, "p2": {"calibration"}}, IMAGES)


def test_a_slide_is_known_by_its_fingerprint_on_every_grid(trained: TrainedOn) -> None:
    use = trained.use_of("a", None)
    assert use.slide == {"train": 4, "validation": 1}
    assert [one.first_row for one in use.tiles] == [0, 9]
    np.testing.assert_array_equal(use.tiles[0].parts(), [[1, 1, 0], [2, 0, 0], [0, 0, 1]])
    assert trained.use_of("b", None).slide == {"calibration": 2}
    assert trained.use_of("c", None).slide == {}


def test_a_patient_is_known_by_name_and_the_name_is_nowhere(trained: TrainedOn) -> None:
    assert trained.use_of("c", "Jane Doe").patient == ("train", "validation")
    assert trained.use_of("c", "p3").patient == ()
    assert trained.use_of("c", None).patient is None
    told = json.dumps(trained.facts.model_dump(mode="json"))
    assert "Jane" not in told
    assert patient_hash("Jane Doe") in told


def test_a_name_that_is_not_utf8_has_a_hash() -> None:
    """It is known only after hours of training, when nothing may fail any more."""
    assert patient_hash("caf\udce9") == patient_hash("caf\\xe9") != patient_hash("cafe")


def test_without_named_patients_a_patient_cannot_be_known() -> None:
    assert TrainedOn.of([], {}, {}).use_of("a", "p1").patient is None


def test_images_are_known_by_their_pixels(trained: TrainedOn) -> None:
    asked = [
        image_hash(np.full(shape, value, np.uint8)) for shape, value in (((4, 4, 3), 1), ((4, 4, 3), 0), ((2, 8, 3), 0))
    ]
    assert trained.parts_of(np.array(asked)).tolist() == [3, 1, 0]


def test_of_an_image_in_two_parts_train_counts() -> None:
    [one] = IMAGES["train"]
    twice = TrainedOn.of([], {}, {"calibration": [one], "train": [one]})
    assert twice.parts_of(np.array([one])).tolist() == [1]


def test_arrays_that_do_not_fit_the_facts_are_refused(trained: TrainedOn) -> None:
    with pytest.raises(ValueError, match="cells"):
        TrainedOn(trained.facts, trained.cells[1:], trained.images)
    with pytest.raises(ValueError, match="images"):
        TrainedOn(trained.facts, trained.cells, trained.images[1:])


@pytest.mark.parametrize(
    ("use", "words", "notice"),
    [
        (Use(), "slide: no; patient: not known", None),
        (Use(patient=()), "slide: no; patient: no", None),
        (Use(patient=("train",)), "slide: no; patient: train", "used another slide of this patient (train)"),
        (
            Use(slide={"train": 1200, "validation": 3}, patient=("train",)),
            "slide: train, validation; patient: train",
            "tiles of this slide (1,200 train, 3 validation)",
        ),
    ],
)
def test_use_in_words(use: Use, words: str, notice: str | None) -> None:
    assert str(use) == words
    assert use.trained is (notice is not None)
    assert use.notice is None if notice is None else notice in (use.notice or "")
