"""Where the files are that ship with the package and are no part of its code.

    configs/      presets, and settings of clusters
    pipelines/    recipes for `wsi-haloae recipe`

They are inside the package in a wheel, and beside it in a source checkout.
"""

from __future__ import annotations

from pathlib import Path


def shipped_folder(name: str) -> Path:
    """The folder ``configs`` or ``pipelines``."""
    package = Path(__file__).parents[1]
    in_wheel = package / name
    return in_wheel if in_wheel.is_dir() else package.parent / name
