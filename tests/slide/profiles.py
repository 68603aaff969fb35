"""Colour profiles for tests, made from Pillow's own sRGB."""

from __future__ import annotations

import struct

from PIL import ImageCms

_GAMMA = b"para\0\0\0\0\0\3\0\0"
"""How lcms begins the curve of sRGB; its exponent follows."""


def srgb() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()


def red_and_green_swapped() -> bytes:
    """Its red means green, and its green red."""
    return srgb().replace(b"rXYZ", b"----").replace(b"gXYZ", b"rXYZ").replace(b"----", b"gXYZ")


def swapped_and_bright() -> bytes:
    """The same with an exponent of 1.6 instead of 2.4, so that the same numbers mean brighter colours."""
    head, curve, tail = red_and_green_swapped().partition(_GAMMA)
    assert curve
    return head + curve + struct.pack(">i", int(1.6 * 65536)) + tail[4:]


def not_for_rgb() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
