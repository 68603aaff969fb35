"""The pictures of a training say in both panels which loss is which."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from PIL import Image

from wsi_haloae.training.epoch import EpochRecord
from wsi_haloae.training.pictures import COLOURS, WORDS, write_curve


def halves(path: Path) -> list[set[tuple[int, ...]]]:
    """The colours of each half."""
    with Image.open(path) as picture:
        pixels = np.asarray(picture.convert("RGB"))
    return [set(map(tuple, half.reshape(-1, 3).tolist())) for half in np.array_split(pixels, 2, axis=1)]


@pytest.mark.parametrize("trained", [{"cls", "fm", "im"}, {"fm"}])
def test_a_loss_has_one_colour_in_both_panels(trained: set[str], tmp_path: Path) -> None:
    curve = [
        EpochRecord(epoch, 10 * epoch, *(1 / epoch + n if name in trained else None for n, name in enumerate(WORDS)),
                    1.5 / epoch + 1, 0.2, 0.3, 0.5)
        for epoch in (1, 2, 3)
    ]  # fmt: skip
    write_curve(tmp_path, curve)
    losses, weights = halves(tmp_path / "loss.png")
    for name in WORDS:
        colour = tuple(round(255 * level) for level in to_rgb(COLOURS[name]))
        assert colour in weights
        assert (colour in losses) == (name in trained)
    assert tuple(round(255 * level) for level in to_rgb("C3")) not in losses, "three losses, three colours"
