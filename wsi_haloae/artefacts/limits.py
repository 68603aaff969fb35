"""ArtefactLimits: the value beyond which a quantity sets a flag, fixed or loosened by held-out reference tiles.

A limit is the looser of the bound in the table of flags and the quantile that `FALSE_FLAGS` of the reference tiles lie
beyond. For most models the bound is, and the limit is the same for all of them. The quantile is where tissue, stain,
scanner or pixel size are such that ordinary tiles lie beyond the bound.
"""

from __future__ import annotations

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_serializer, model_validator

from wsi_haloae.artefacts.flags import FLAGS, ArtefactFlag

FALSE_FLAGS = 0.005
"""Share of reference tiles beyond a limit that they have loosened; beyond a fixed one lies at most that share."""
ENOUGH_TILES = round(1 / FALSE_FLAGS)
"""With fewer tiles, the quantile is simply the most extreme tile that happened to be drawn."""
FEW_TILES_DEVIATIONS = 3.0
"""With fewer, the limit is at least this many robust standard deviations from the median: 1 in 740 if Gaussian."""
TO_DEVIATION = 1.4826
"""Standard deviation of a Gaussian over its median absolute deviation."""


class ArtefactLimits(BaseModel):
    """A limit for each quantity of `FLAGS`, by the quantity's name; as JSON in a checkpoint's header.

    ``tiles`` is the number of reference tiles they come from. A model from before a flag was added has no limit for it,
    and never sets it.
    """

    model_config = ConfigDict(extra="allow", frozen=True, allow_inf_nan=False)
    __pydantic_extra__: dict[str, float]

    tiles: int = Field(ge=1)

    @model_validator(mode="after")
    def _in_range(self) -> Self:
        flags = {flag.quantity: flag for flag in FLAGS.values()}
        for quantity, limit in self.__pydantic_extra__.items():
            if quantity not in flags:
                raise ValueError(f"{quantity!r} has a limit but is not a known quantity. Known: {', '.join(flags)}")
            smallest, largest = flags[quantity].limits_from_to
            if not smallest <= limit <= largest:
                raise ValueError(f"the limit of {quantity!r} is {limit}, but must lie between {smallest} and {largest}")
        return self

    @model_serializer
    def _in_the_tables_order(self) -> dict[str, Any]:
        return {**{flag.quantity: limit for flag, limit in self.known().values()}, "tiles": self.tiles}

    def known(self) -> dict[str, tuple[ArtefactFlag, float]]:
        """The flags that have a limit, each with its limit, by name in the order of the table."""
        limits = self.__pydantic_extra__
        return {name: (flag, limits[flag.quantity]) for name, flag in FLAGS.items() if flag.quantity in limits}

    def loosened(self) -> dict[str, ArtefactFlag]:
        """The flags whose limit reference tiles have loosened, by name; all others have the bound in the table."""
        return {name: flag for name, (flag, limit) in self.known().items() if limit != flag.bound}

    @property
    def words(self) -> str:
        """Which limits are fixed and which come from reference tiles, in sentences."""
        loosened, known = self.loosened(), self.known()
        if not loosened:
            return "All limits are fixed values: none was loosened to fit this model's reference tissue."
        fixed = ", ".join(flag.words for name, (flag, _) in known.items() if name not in loosened) or "none"
        names = ", ".join(flag.words for flag in loosened.values())
        tiles = f"{self.tiles:,} held-out reference tile{'' if self.tiles == 1 else 's'}"
        share = (
            f"About 1 in {ENOUGH_TILES} of its {tiles} lies beyond such a limit."
            if self.tiles >= ENOUGH_TILES
            else f"It has only {tiles}, too few to say what share lies beyond such a limit."
        )
        return f"Limits that are fixed: {fixed}. Loosened to fit this model's reference tissue: {names}. {share}"

    def flags(self, quantities: NDArray[np.float32]) -> NDArray[np.uint8]:
        """Bits of the flags of tiles with ``quantities`` (n, flags), as `measure_all` gives them: (n,)."""
        columns = dict(zip(FLAGS, quantities.T, strict=True))
        bits = np.zeros(len(quantities), np.uint8)
        for name, (flag, limit) in self.known().items():
            bits[flag.is_set(columns[name], limit)] |= np.uint8(flag.bit)
        return bits


def calibrate(quantities: NDArray[np.float32]) -> ArtefactLimits:
    """Limits from the quantities of n held-out reference tiles, (n, flags) as `measure_all` gives them.

    Raises `ValueError` without any tile.
    """
    if not len(quantities):
        raise ValueError("artefact limits need at least one reference tile; none was given")
    columns = zip(FLAGS.values(), quantities.T.astype(np.float64), strict=True)
    limits = {flag.quantity: _limit(flag, values) for flag, values in columns}
    return ArtefactLimits(**limits, tiles=len(quantities))


def _limit(flag: ArtefactFlag, values: NDArray[np.float64]) -> float:
    if not flag.calibrated:
        return flag.bound
    smallest, largest = flag.limits_from_to
    learned = -_beyond(-values) if flag.flags_below else _beyond(values)
    return min(largest, max(smallest, learned))


def _beyond(values: NDArray[np.float64]) -> float:
    """What `FALSE_FLAGS` of the values (n,) lie above, with a guard for few of them."""
    quantile = float(np.quantile(values, 1 - FALSE_FLAGS))
    if len(values) >= ENOUGH_TILES:
        return quantile
    median = np.median(values)
    deviation = TO_DEVIATION * np.median(np.abs(values - median))
    return max(quantile, float(median + FEW_TILES_DEVIATIONS * deviation))
