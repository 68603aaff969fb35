"""A file of outlines that is named like another slide, or like none, is told of; nothing else is."""

from __future__ import annotations

from pathlib import Path

import pytest

from wsi_haloae.evaluation.labelled_slide import Outlines
from wsi_haloae.evaluation.outlines_name import named_otherwise


def outlines(file: str) -> Outlines:
    return Outlines(Path(file), ("Tumor",), 0.5)


@pytest.mark.parametrize(
    ("file", "slides", "told"),
    [
        (
            "liver-hemangioma.geojson",
            ["liver-sarcoma.tif"],
            "liver-hemangioma.geojson has another name than liver-sarcoma.tif: make sure",
        ),
        ("b.xml", ["a.svs", "b.svs"], "b.xml has the name of the slide b.svs and is also used for a.svs:"),
        ("7_b.geojson", ["7.svs", "7_b.svs"], "the slide 7_b.svs and is also used for 7.svs:"),
        ("slide-1.geojson", ["slide-10.svs"], "another name than slide-10.svs:"),
    ],
)
def test_another_name_is_told(file: str, slides: list[str], told: str) -> None:
    (note,) = named_otherwise(outlines(file), slides)
    assert told in note


@pytest.mark.parametrize("file", ["a.geojson", "a.geojson.gz", "a_by_me.json", "a.svs.geojson", "."])
def test_a_name_that_fits_is_not(file: str) -> None:
    assert not [*named_otherwise(outlines(file), ["a.svs"])]


def test_a_slide_may_have_several_suffixes() -> None:
    assert not [*named_otherwise(outlines("a.geojson"), ["a.ome.tiff"])]
