"""Masks: which pixels of an image somebody has marked."""

from __future__ import annotations

from collections.abc import Sequence
from functools import reduce
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from wsi_haloae.errors import UsageError
from wsi_haloae.images.decode import WHITE, Channels, as_rgb, decode_channels

BLACK = 0
_JPEG = b"\xff\xd8"
MOST_LABELS = 31
"""Numbers up to this one count classes of defects; as levels of grey they could not be told from black."""


def decode_mask(path: Path) -> NDArray[np.bool_]:
    """Read which pixels (h, w) a mask marks: those with a channel above half of its range, and not transparent.

    A mask of labels (`holds_labels`) marks all pixels above 0. Raises `UsageError` as `decode_rgb` does.
    """
    channels = decode_channels(path)
    marked: NDArray[np.bool_]
    if _are_labels(path, channels):
        marked = _visible(channels).max(axis=2) > 0
    else:
        marked = as_rgb(channels, BLACK).max(axis=2) > WHITE // 2
    return marked


def decode_masks(paths: Sequence[Path]) -> NDArray[np.bool_]:
    """Which pixels (h, w) any of an image's masks marks.

    Raises `UsageError` as `decode_rgb` does, and for masks of different sizes.
    """
    masks = [decode_mask(path) for path in paths]
    for path, mask in zip(paths, masks, strict=True):
        if mask.shape != masks[0].shape:
            raise UsageError(
                f"{path}: this mask has {mask.shape[1]} x {mask.shape[0]} pixels, but {paths[0]}, which belongs to the "
                f"same image, has {masks[0].shape[1]} x {masks[0].shape[0]}. Use masks that were drawn on this image."
            )
    return reduce(np.logical_or, masks)


def holds_labels(path: Path) -> bool:
    """Whether a mask contains the numbers of classes, such as 0 and 1, in place of black and white.

    A JPEG cannot: its blacks are not all 0. Raises `UsageError` as `decode_rgb` does.
    """
    return _are_labels(path, decode_channels(path))


def _are_labels(path: Path, channels: Channels) -> bool:
    if not 0 < int(_visible(channels).max(initial=0)) <= MOST_LABELS:
        return False
    with path.open("rb") as file:
        return file.read(len(_JPEG)) != _JPEG


def _visible(channels: Channels) -> Channels:
    """The numbers without alpha (h, w, 1 or 3), 0 where the mask is transparent."""
    if channels.shape[2] in {1, 3}:
        return channels
    return channels[:, :, :-1] * (channels[:, :, -1:] > 0)
