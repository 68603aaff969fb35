"""What is done with the colour (ICC) profile of slides; a model is trained and scores with one of the two."""

from __future__ import annotations

from typing import Literal

ProfileUse = Literal["apply", "ignore"]
"""*apply*: pixels are converted to sRGB by it. *ignore*: they are taken as they are stored."""
