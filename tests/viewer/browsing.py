"""What the tests in a real browser share: the page, what it says, and where the slide is on it."""

from __future__ import annotations

import io
import re
from dataclasses import dataclass, field

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from playwright.sync_api import Locator, Page

FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync", "--host-resolver-rules=MAP *.example.org 127.0.0.1",
]  # fmt: skip
WIDTH, HEIGHT = 1360, 860
ASIDE = (WIDTH - 60, 12)
"""A place of the page where the pointer is over no slide."""


@dataclass
class Opened:
    """A page, and what it said and asked for since it was opened."""

    page: Page
    told: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    def watch(self) -> None:
        self.page.on("console", lambda message: self.told.append(f"{message.type}: {message.text}"))
        self.page.on("pageerror", lambda error: self.told.append(f"error: {error}"))
        self.page.on("request", lambda request: self.asked.append(request.url))


def shot(page: Page) -> NDArray[np.int64]:
    page.wait_for_timeout(150)  # two frames, on a slow machine
    with Image.open(io.BytesIO(page.screenshot())) as image:
        return np.asarray(image.convert("RGB")).astype(int)


def field_of(page: Page, name: str) -> Locator:
    return page.locator(f"#readout [data-field={name}]")


def hover(page: Page, x: float, y: float) -> tuple[float, float]:
    """Level-0 position under a place of the page, as the readout tells it, in micrometres."""
    page.mouse.move(x, y)
    words = field_of(page, "place").inner_text()
    found = re.fullmatch(r"([\d.]+), ([\d.]+) mm", words)
    assert found, words
    return float(found[1]) * 1000, float(found[2]) * 1000


@dataclass(frozen=True)
class Placing:
    """Level 0 of the slide on the page: page = corner + l0 * scale."""

    x: float
    y: float
    scale: float

    @classmethod
    def of(cls, page: Page, mpp: float) -> Placing:
        (left, top), (right, bottom) = (500, 150), (740, 780)
        (um_left, um_top), (um_right, um_bottom) = hover(page, left, top), hover(page, right, bottom)
        scale = (bottom - top) / (um_bottom - um_top) * mpp
        assert (right - left) / (um_right - um_left) * mpp == pytest.approx(scale, rel=0.01)
        page.mouse.move(*ASIDE)
        return cls(left - um_left / mpp * scale, top - um_top / mpp * scale, scale)

    def at(self, l0_x: float, l0_y: float) -> tuple[float, float]:
        return self.x + l0_x * self.scale, self.y + l0_y * self.scale


def bare_slide(page: Page) -> NDArray[np.bool_]:
    """Where nothing but the slide is: no card lies there."""
    free = np.zeros((HEIGHT, WIDTH), bool)
    free[130 : HEIGHT - 170, 330 : WIDTH - 310] = True
    return free
