"""The rows of the decoder study (docs/decoder-plan.md), and which ingredients the last rows put together.

`LIMITS` are the rows of the curve that shows what limits the best single ingredient: the width of the code and the
length of the training.
"""

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


def _code(width: int, before: int = 48) -> DecoderRow:
    """The damped cosine loss with a code of ``width`` channels, which comes from ``before`` channels."""
    widths = (72, 64, before, width)
    stages = [f"{{mid: {one}, out: {one}, heads: 2, kernel: 3}}" for one in widths]
    last = "{mid: 104, out: null, heads: 2, kernel: 1}"
    encoder, decoder = ", ".join(stages), ", ".join([*reversed(stages), last])
    settings = (f"model.autoencoder.encoder=[{encoder}]", f"model.autoencoder.decoder=[{decoder}]")
    return DecoderRow(f"damped, code of {width} channels", (*_DAMPED, *settings), single=False)


DAMPED = next(row for row in ROWS if row.settings == _DAMPED)
CODE_WIDTHS = {8: _code(8), 16: _code(16), 32: DAMPED, 64: _code(64, before=64)}
LENGTHS = {
    steps: DAMPED if steps == 250 else DecoderRow(f"damped, {steps} steps", _DAMPED, single=False, steps=steps)
    for steps in (125, 250, 1000, 2500, 8000)
}
LIMITS = tuple(row for row in (*CODE_WIDTHS.values(), *LENGTHS.values()) if row is not DAMPED)

Areas = Mapping[str, Mapping[str, Mapping[int, float]]]
"""AUROC of the fixed rule by row, set and seed."""


def passes(areas: Areas, row: DecoderRow) -> bool:
    """Whether a row raises the mean AUROC of the deciding sets and lowers neither by more than 0.01.

    Means over the seeds that both the row and the baseline have. A row that was not run on both sets does not pass.
    """
    gains = []
    for name in DECIDING:
        own, base = (areas.get(one.name, {}).get(name, {}) for one in (row, BASELINE))
        seeds = own.keys() & base.keys()
        if not seeds:
            return False
        gains.append(np.mean([own[seed] - base[seed] for seed in seeds]))
    return bool(np.mean(gains) > 0 and min(gains) >= -TOLERANCE)


def passing(areas: Areas) -> list[DecoderRow]:
    """The single ingredients that pass."""
    return [row for row in ROWS if row.single and passes(areas, row)]


def put_together(passed: Sequence[DecoderRow]) -> tuple[str, ...]:
    """The settings of all rows that passed; those of `PAIR` if none did. Later rows win where two set the same."""
    settings = [one for row in passed for one in row.settings] or list(PAIR.settings)
    by_key = {one.partition("=")[0]: one for one in settings}
    return tuple(by_key.values())


def missing_for_together(areas: Areas, seeds: int) -> list[str]:
    """The rows and sets that must be done before ingredients can be put together.

    Every ingredient needs one seed, and all seeds if it passes by those that are done.
    """
    rows = [row for row in ROWS if row.single or row is BASELINE]
    needed = {row: seeds if row is BASELINE or passes(areas, row) else 1 for row in rows}
    return [
        f"{row.name} on {name}"
        for row in rows
        for name in DECIDING
        if len(areas.get(row.name, {}).get(name, ())) < needed[row]
    ]
