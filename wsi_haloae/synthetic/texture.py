"""Two textures that differ only in their pattern: nuclei and fibres.

A model can only separate them by texture: both have the same values equally often (so the same
colour, contrast and histogram), and neither varies slowly.

A texture is the darker of two *banks*, periodic pictures whose periods have no common factor, so
that it repeats only after the product of the two. A bank's pixels are replaced by the
quantiles of one distribution in the order of their rank; as the maximum of two independent
banks, a texture has that distribution's maximum, whichever pattern it shows.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

PERIODS = ((1024, 1125), (1029, 1100))
"""Periods of the two layers of nuclei, and of the two layers of fibres; small prime factors, for the FFT."""
SLOWEST = 40.0
"""Wavelength in pixels above which variation is removed from a bank; well below a tile."""
PADDING = 640
"""Banks are stored with this much of themselves repeated, so that a window is one slice."""

Bank = NDArray[np.uint8]


@dataclass(frozen=True)
class Texture:
    """A texture of unlimited extent from two banks, each (period + PADDING) squared."""

    first: Bank
    second: Bank

    def window(self, x: int, y: int, width: int, height: int) -> NDArray[np.uint8]:
        """Amounts of stain, (height, width), 0 to 255, for the pixels from (x, y) on."""
        return np.maximum(cut(self.first, x, y, width, height), cut(self.second, x, y, width, height))

    @cached_property
    def mean(self) -> float:
        """Mean amount: that of the maximum of one value from each bank, all pairs being equally likely."""
        below = [np.cumsum(np.bincount(bank.ravel(), minlength=256)) / bank.size for bank in (self.first, self.second)]
        return float(np.sum(1 - below[0] * below[1]))


def cut(bank: NDArray[np.uint8], x: int, y: int, width: int, height: int) -> NDArray[np.uint8]:
    """A view of the pixels from (x, y) on of a padded periodic bank; at most `PADDING` wide and high."""
    assert max(width, height) <= PADDING
    period = bank.shape[0] - PADDING
    left, top = x % period, y % period
    return bank[top : top + height, left : left + width]


def padded(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """A periodic picture with `PADDING` more rows and columns of itself."""
    repeat = ((0, PADDING), (0, PADDING), *((0, 0),) * (picture.ndim - 2))
    return np.pad(picture, repeat, mode="wrap")


def nuclei(rng: np.random.Generator) -> Texture:
    """Crowded round nuclei of 8 to 12 pixels."""
    first, second = (_as_bank(_nuclei(rng, period), rng) for period in PERIODS[0])
    return Texture(first, second)


def fibres(rng: np.random.Generator) -> Texture:
    """Long wavy fibres of two directions."""
    direction = rng.uniform(0, np.pi)
    first, second = (_fibres(rng, period, direction + turn) for period, turn in zip(PERIODS[1], (0, 0.6), strict=True))
    return Texture(_as_bank(first, rng), _as_bank(second, rng))


def band_noise(rng: np.random.Generator, period: int, shortest: float, longest: float) -> NDArray[np.float64]:
    """Periodic noise, (period, period), mean 0 and deviation 1, of wavelengths in pixels between the two."""
    frequency = np.hypot(*np.meshgrid(np.fft.rfftfreq(period), np.fft.fftfreq(period)))
    in_band = (frequency > 1 / longest) & (frequency < 1 / shortest)
    noise = np.fft.irfft2(np.fft.rfft2(rng.standard_normal((period, period))) * in_band, (period, period))
    scaled: NDArray[np.float64] = noise / noise.std()
    return scaled


def _nuclei(rng: np.random.Generator, period: int) -> NDArray[np.float64]:
    spacing = 17
    count = period // spacing
    grid = np.stack(np.meshgrid(np.arange(count), np.arange(count)), axis=-1).reshape(-1, 2)
    centres = (grid + rng.uniform(0.1, 0.9, grid.shape)) * (period / count)
    radius, stretch = rng.uniform(3.8, 6.0, len(grid)), rng.uniform(0.85, 1.18, len(grid))
    angle, darkness = rng.uniform(0, np.pi, len(grid)), rng.uniform(0.75, 1.1, len(grid))
    reach = np.stack(np.meshgrid(np.arange(-9, 10), np.arange(-9, 10)), axis=-1).reshape(-1, 2)
    pixels = np.floor(centres).astype(np.int64)[:, None] + reach  # (nuclei, 361, 2)
    away = pixels - centres[:, None]
    turned = away[..., 0] * np.cos(angle)[:, None] + away[..., 1] * np.sin(angle)[:, None]
    across = away[..., 1] * np.cos(angle)[:, None] - away[..., 0] * np.sin(angle)[:, None]
    distance = np.hypot(turned * stretch[:, None], across / stretch[:, None])
    amount = darkness[:, None] / (1 + np.exp((distance - radius[:, None]) * 2.2))
    picture = np.zeros((period, period))
    np.maximum.at(picture, (pixels[..., 1] % period, pixels[..., 0] % period), amount)
    return picture + 0.13 * band_noise(rng, period, 3, 24)


def _fibres(rng: np.random.Generator, period: int, direction: float) -> NDArray[np.float64]:
    """Noise of one wavelength across the direction and a long one along it, then bent."""
    across_x, across_y = -np.sin(direction), np.cos(direction)
    frequency_x, frequency_y = np.meshgrid(np.fft.rfftfreq(period), np.fft.fftfreq(period))
    across = np.abs(frequency_x * across_x + frequency_y * across_y)
    along = frequency_x * across_y - frequency_y * across_x
    keep = np.exp(-(((across - 1 / 11) / 0.03) ** 2) - (along / 0.007) ** 2)
    straight = np.fft.irfft2(np.fft.rfft2(rng.standard_normal((period, period))) * keep, (period, period))
    bend = 9 * band_noise(rng, period, 90, 260)
    rows, columns = np.indices((period, period))
    bent = straight[
        np.rint(rows + bend * across_y).astype(np.int64) % period,
        np.rint(columns + bend * across_x).astype(np.int64) % period,
    ]
    picture: NDArray[np.float64] = bent / bent.std() + 0.15 * band_noise(rng, period, 3, 24)
    return picture


def _as_bank(picture: NDArray[np.float64], rng: np.random.Generator) -> Bank:
    """The picture without slow variation, with the values of `_quantiles`."""
    for _ in range(2):  # since each step undoes a little of the other
        flat = _without_slow(picture) + 1e-9 * rng.standard_normal(picture.shape)  # no ties
        values = np.empty(picture.size)
        values[np.argsort(flat, axis=None)] = _quantiles(picture.size)
        picture = values.reshape(picture.shape)
    return padded(np.rint(picture).astype(np.uint8))


def _without_slow(picture: NDArray[np.float64]) -> NDArray[np.float64]:
    period = picture.shape[0]
    frequency = np.hypot(*np.meshgrid(np.fft.rfftfreq(period), np.fft.fftfreq(period)))
    keep = 1 - np.exp(-((frequency * SLOWEST) ** 4))
    return np.fft.irfft2(np.fft.rfft2(picture) * keep, picture.shape)


def _quantiles(count: int) -> NDArray[np.float64]:
    """``count`` amounts of stain in ascending order: much pale, a fifth dark, as in a stained section."""
    share = (np.arange(count) + 0.5) / count
    dark = 1 / (1 + np.exp(-(share - 0.8) / 0.035))
    values: NDArray[np.float64] = 25 + 75 * share + 115 * dark
    return values
