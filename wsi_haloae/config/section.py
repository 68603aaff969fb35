"""The base of every group of settings."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Width = Annotated[int, Field(ge=1, le=1 << 14)]
"""Channels of a layer: eight times what the widest published features have."""
Side = Annotated[int, Field(ge=1, le=1 << 10)]
"""Cells or heads along one side: no tile has more."""
Count = Annotated[int, Field(ge=1, le=10**9)]
"""Steps, epochs or tiles: more than any training sees, and few enough to be counted exactly everywhere."""
Seed = Annotated[int, Field(ge=0, lt=1 << 63)]
"""What all generators take."""
Micrometres = Annotated[float, Field(ge=0, le=1e4)]
"""A length on a slide: a centimetre at most."""


class Section(BaseModel):
    """A frozen group of settings that refuses unknown keys, infinity and NaN."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)
