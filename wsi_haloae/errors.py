"""Every error that a user can cause, as one tree.

    WsiHaloaeError
    ├── UsageError              bad option, bad manifest, nothing usable      -> exit code 2
    │   ├── ConfigError         unknown key, value out of range
    │   └── OutputExistsError   the output holds something else; names --overwrite
    ├── SlideError              a slide cannot be opened or does not fit
    │   ├── MissingMppError     no pixel size in the file; names --mpp
    │   ├── ResolutionError     the slide is coarser than the target
    │   └── RegionReadError     one region cannot be decoded; the slide goes on
    ├── AnnotationError         a GeoJSON file that cannot be used
    ├── StoreError              a store of another version, or made from something else
    ├── CheckpointError         a file that is no checkpoint of ours
    └── SetAsideError           a slide that took workers down with it

Every message says what was given, what is needed, and what to do.
"""

from __future__ import annotations

from wsi_haloae.quoting import printable_lines


class WsiHaloaeError(Exception):
    """Base of every error that this package raises on purpose; what files are called cannot act on a terminal."""

    def __str__(self) -> str:
        return printable_lines(super().__str__())


class UsageError(WsiHaloaeError):
    """The command cannot be carried out as it was given."""


class ConfigError(UsageError):
    """A configuration with an unknown key or a value out of range."""


class OutputExistsError(UsageError):
    """The output already holds the result of another model, grid or rule."""


class SlideError(WsiHaloaeError):
    """A slide cannot be opened, or cannot be tiled as asked."""


class MissingMppError(SlideError):
    """The file names no pixel size, and none was given."""


class ResolutionError(SlideError):
    """The slide is coarser than the target pixel size."""


class RegionReadError(SlideError):
    """One region of an open slide cannot be decoded."""


class AnnotationError(WsiHaloaeError):
    """A GeoJSON file that cannot be read or lacks the class asked for."""


class StoreError(WsiHaloaeError):
    """A tile or score store that cannot be used as asked."""


class CheckpointError(WsiHaloaeError):
    """A file that is no checkpoint of this package, or one of another version."""


class SetAsideError(WsiHaloaeError):
    """A slide during which workers vanished more than once; this run does not try it again."""
