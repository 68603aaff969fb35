"""All errors that a user can cause, as one class tree.

    WsiHaloaeError
    ├── UsageError              bad option, bad manifest, nothing usable      -> exit code 2
    │   ├── ConfigError         unknown key, value out of range
    │   └── OutputExistsError   the output holds something else; names --overwrite
    ├── SlideError              a slide cannot be opened or does not fit
    │   ├── MissingMppError     no pixel size in the file, or none to be believed; names --mpp
    │   ├── NoTissueError       no tissue on a slide that is not empty glass
    │   ├── ResolutionError     the slide is coarser than the target
    │   └── RegionReadError     one region cannot be decoded; the rest can be read
    ├── AnnotationError         a file of annotations cannot be used
    ├── CoordinatesError        a file of tile coordinates cannot be used, or does not fit the slide or the model
    ├── StoreError              a store is damaged, of another version, or made from other inputs
    ├── CheckpointError         a file is not a checkpoint of this package
    └── SetAsideError           workers died on a slide

Every message says what was given, what is needed, and what to do.
"""

from __future__ import annotations

from wsi_haloae.quoting import printable_lines


class WsiHaloaeError(Exception):
    """Base of all errors that this package raises on purpose. Control characters in messages are made visible."""

    def __str__(self) -> str:
        return printable_lines(super().__str__())


class UsageError(WsiHaloaeError):
    """The command cannot be run as given."""


class ConfigError(UsageError):
    """A configuration with an unknown key or a value out of range."""


class OutputExistsError(UsageError):
    """The output already holds the result of another model, grid or rule."""


class SlideError(WsiHaloaeError):
    """A slide cannot be opened, or cannot be tiled with these settings."""


class MissingMppError(SlideError):
    """The file states no pixel size, or none to be believed, and none was given."""


class NoTissueError(SlideError):
    """No tissue was found on a slide that is not empty glass."""


class ResolutionError(SlideError):
    """The slide is coarser than the target pixel size."""


class RegionReadError(SlideError):
    """One region of an open slide cannot be decoded."""


class AnnotationError(WsiHaloaeError):
    """A file of annotations that cannot be read, or does not contain the requested class."""


class CoordinatesError(WsiHaloaeError):
    """A file of tile coordinates that cannot be read, or does not fit the slide or the tiles that are asked for."""


class StoreError(WsiHaloaeError):
    """A tile or score store that cannot be used: missing, damaged, or of another version."""


class CheckpointError(WsiHaloaeError):
    """A file that is not a checkpoint of this package, or is one of another version."""


class SetAsideError(WsiHaloaeError):
    """A slide on which workers died more than once; this run does not try it again."""
