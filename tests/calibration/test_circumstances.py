"""What is said where p-values mean less than they seem to."""

from __future__ import annotations

import pytest

from wsi_haloae.calibration.circumstances import Circumstances


@pytest.mark.parametrize(
    ("blocks", "precision", "said"),
    [
        (False, "float32", []),
        (True, "float32", ["cannot know how patients differ"]),
        (False, "bfloat16", ["calibrated in float32, and this slide was scored in bfloat16"]),
        (True, "bfloat16", ["cannot know how patients differ", "calibrated in float32"]),
    ],
)
def test_blocks_and_another_precision_are_told(blocks: bool, precision: str, said: list[str]) -> None:
    found = list(Circumstances(precision="float32", blocks=blocks).warnings(precision))
    assert len(found) == len(said)
    for words, sentence in zip(said, found, strict=True):
        assert words in sentence
