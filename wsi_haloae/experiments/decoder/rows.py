"""The rows of the decoder study (docs/decoder-plan.md), and which ingredients the last rows put together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

DECIDING = ("metal_nut", "glas-colour")
"""The sets that choose the ingredients; the others only confirm."""
TOLERANCE = 0.01
"""By how much an ingredient that passes may lower the AUROC of one deciding set."""


@dataclass(frozen=True)
class DecoderRow:
    """What one row changes, in the form of ``--set``; ``single`` rows are ingredients that can be put together.

    ``together`` rows also have the settings of all ingredients that passed. ``longer`` multiplies the steps, ``steps``
    replaces them.
    """

    name: str
    settings: tuple[str, ...] = ()
    single: bool = True
    together: bool = False
    longer: int = 1
    steps: int | None = None

    @property
    def folder(self) -> str:
        """The name, made suitable for a folder."""
        return self.name.replace(",", "").replace(" ", "-")


BASELINE = DecoderRow("baseline", single=False)
_NOISE = ("model.autoencoder.code_dropout=0.2",)
_DAMPED = ("loss.fm_terms=cosine", "loss.easy_share=0.9", "loss.easy_gradient=0.1")
PAIR = DecoderRow("noise and damped cosine", (*_NOISE, *_DAMPED), single=False)
CONTROL = DecoderRow("not trained", ("training.learning_rate=1e-9",), single=False, steps=1)
"""Block C stays the PCA that it starts as. What a rule finds with it is not what training adds."""
ROWS = (
    CONTROL,
    BASELINE,
    DecoderRow("noise on the code", _NOISE),
    DecoderRow("code of rank 16", ("model.autoencoder.code_rank=16",)),
    DecoderRow("neighbours masked", ("model.attention.mask_neighbours=1",)),
    DecoderRow("tiles recentred", ("model.recentre=tile",)),
    DecoderRow("cosine loss", ("loss.fm_terms=cosine", "loss.easy_share=0")),
    DecoderRow("cosine loss, damped", _DAMPED),
    DecoderRow("damaged copies as negatives", ("loss.negatives=true",)),
    DecoderRow("stopped by the synthetic mark", ("training.stop_by=synthetic",)),
    PAIR,
    DecoderRow("together", single=False, together=True),
    DecoderRow("together, long", single=False, together=True, longer=10),
)

Areas = Mapping[str, Mapping[str, Sequence[float]]]
"""AUROC of the fixed rule by row and by set, one for each seed."""


def passing(areas: Areas) -> list[DecoderRow]:
    """The single ingredients that raise the mean AUROC of the deciding sets, and lower neither by more than 0.01."""
    base = _means(areas, BASELINE)
    found = []
    for row in ROWS:
        gain = _means(areas, row) - base if row.single else np.zeros(len(DECIDING))
        if gain.mean() > 0 and gain.min() >= -TOLERANCE:
            found.append(row)
    return found


def put_together(passed: Sequence[DecoderRow]) -> tuple[str, ...]:
    """The settings of all rows that passed; those of `PAIR` if none did. Later rows win where two set the same."""
    settings = [one for row in passed for one in row.settings] or list(PAIR.settings)
    by_key = {one.partition("=")[0]: one for one in settings}
    return tuple(by_key.values())


def missing_for_together(areas: Areas, seeds: int) -> list[str]:
    """The rows and sets that must be done, with all seeds, before ingredients can be put together."""
    return [
        f"{row.name} on {name}"
        for row in ROWS
        for name in DECIDING
        if (row.single or row is BASELINE) and len(areas.get(row.name, {}).get(name, ())) < seeds
    ]


def _means(areas: Areas, row: DecoderRow) -> np.ndarray[tuple[int], np.dtype[np.float64]]:
    return np.array([np.mean(areas[row.name][name]) for name in DECIDING])
