"""Tally: what became of the objects of annotation files, in numbers and in one line."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Self

from wsi_haloae.annotations.classes import NO_CLASS
from wsi_haloae.progress import with_noun

OVERLAP = ("overlaps", "overlap")


@dataclass(frozen=True)
class Tally:
    """Numbers of objects: ``used`` ones by class, and the others by the reason why they are left out.

    ``containers`` (by class; "" has none) say nothing about the tissue, and only a region of interest counts them.
    ``kinds`` are not those that were asked for, and ``flat`` ones have no area. ``points`` (by class) count as anchors
    only. Of those used, ``mended`` ones crossed themselves, ``doubtful`` ones so that it is not clear what is inside;
    ``outer`` and ``undecided`` are as in `Layered`.
    """

    used: Counter[str] = field(default_factory=Counter)
    containers: Counter[str] = field(default_factory=Counter)
    ignored: Counter[str] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    points: Counter[str] = field(default_factory=Counter)
    flat: int = 0
    mended: int = 0
    doubtful: int = 0
    outer: int = 0
    undecided: int = 0

    def __add__(self, other: Self) -> Tally:
        return Tally(
            self.used + other.used,
            self.containers + other.containers,
            self.ignored + other.ignored,
            self.kinds + other.kinds,
            self.points + other.points,
            self.flat + other.flat,
            self.mended + other.mended,
            self.doubtful + other.doubtful,
            self.outer + other.outer,
            self.undecided + other.undecided,
        )

    def left_out(self, *, containers_count: bool = False, points_count: bool = False) -> list[str]:
        """What does not count, one reason each: "3 without a class"."""
        reasons = [] if containers_count else [_of_class(name, n) for name, n in sorted(self.containers.items())]
        reasons += [_of_class(name, count) for name, count in sorted(self.ignored.items())]
        reasons += [with_noun(count, kind) for kind, count in sorted(self.kinds.items())]
        points = 0 if points_count else self.points.total()
        reasons += [with_noun(points, "point")] if points else []
        reasons += [f"{self.flat:,} without area"] if self.flat else []
        return reasons

    def changed(self) -> list[str]:
        """What counts otherwise than it was drawn."""
        told = [
            (self.mended, "that crossed {} mended", ("itself was", "themselves were")),
            (self.doubtful, "{} around a piece twice, which belongs to no class", ("runs", "run")),
            (self.outer, "{} smaller ones of another class, and there the smaller count", OVERLAP),
            (self.undecided, "{} one of equal size and another class, and neither counts there", OVERLAP),
        ]
        return [
            f"{with_noun(count, 'outline')} {words.format(one if count == 1 else many)}"
            for count, words, (one, many) in told
            if count
        ]

    def is_doubtful(self, *, containers_count: bool = False) -> bool:
        """Whether something was done that nobody may have meant. To nest outlines, or to ignore some, is usual."""
        unclassed = self.containers[NO_CLASS] and not containers_count
        return bool(unclassed or self.kinds or self.flat or self.mended or self.undecided)

    def line(self, *, containers_count: bool = False, points_count: bool = False) -> str:
        """All of it in one sentence; "" if every object counts as it was drawn."""
        left_out = self.left_out(containers_count=containers_count, points_count=points_count)
        parts = [f"left out: {', '.join(left_out)}"] if left_out else []
        return "; ".join([*parts, *self.changed()])


def _of_class(name: str, count: int) -> str:
    return f"{count:,} without a class" if name == NO_CLASS else f"{count:,} of class {name}"
