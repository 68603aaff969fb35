"""``wsi-haloae doctor``: what is installed, what this machine has, and whether all of it works together."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

CHECKS: Mapping[str, str] = {
    "packages": "wsi_haloae.runs.installation:packages",
    "slides": "wsi_haloae.runs.installation:slide_libraries",
    "machine": "wsi_haloae.runs.installation:machine",
    "devices": "wsi_haloae.runs.devices:devices",
    "self-test": "wsi_haloae.runs.self_test:self_test",
}
"""Functions that yield findings, by the name of what they look at. Each is imported by itself: a library that cannot be
loaded is a finding too."""


@dataclass(frozen=True)
class Finding:
    """A fact about the installation; ``broken`` if nothing can work as it is."""

    name: str
    words: str
    broken: bool = False


def examine() -> Iterator[Finding]:
    """All findings, each as soon as it is known; whatever a check raises is one."""
    for name, home in CHECKS.items():
        try:
            yield from _named(home)()
        except Exception as error:  # noqa: BLE001  # finding out what is broken is what this is for
            yield Finding(name, f"{type(error).__name__}: {error}", broken=True)


def _named(home: str) -> Callable[[], Iterator[Finding]]:
    module, _, function = home.partition(":")
    check: Callable[[], Iterator[Finding]] = getattr(importlib.import_module(module), function)
    return check
