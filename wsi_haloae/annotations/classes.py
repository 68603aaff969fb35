"""Names of classes, as QuPath understands them.

A class may be derived from another: "Tumor: Positive" is derived from "Tumor". Names that end in * are no tissue:
"Region*" is a container, such as an outline of everything to look at; "Ignore*", "Artefact*" and the like are left out.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

NO_CLASS = ""
SEPARATOR = ": "
DOUBTFUL = "Ignore* what an outline runs around twice"
"""The class of pieces that belong to none, because nobody knows whether an outline was meant to hold them."""
_UNCLASSIFIED = "Unclassified"
"""What QuPath calls an object without a class, where it has to call it something."""


def joined(names: Iterable[str]) -> str:
    """The name of a derived class from its parts, or from texts that hold several: Tumor and Positive."""
    parts = [part.strip() for name in names for part in name.split(":")]
    name = SEPARATOR.join(part for part in parts if part)
    return NO_CLASS if name == _UNCLASSIFIED else name


def is_container(name: str) -> bool:
    """Whether objects of this class only hold others and say nothing about the tissue: no class, or Region*."""
    return name == NO_CLASS or (name.startswith("Region") and name.endswith("*"))


def is_ignored(name: str) -> bool:
    """Whether what lies in objects of this class is to be left out, as QuPath does with names that end in a star."""
    return name.startswith("Ignore") or (name.endswith("*") and not is_container(name))


def meant_by(name: str, known: Collection[str]) -> list[str]:
    """The classes that somebody means by a name: the class itself, or, if it is not there, those derived from it."""
    wanted = joined([name])
    return [wanted] if wanted in known else derived_from(name, known)


def derived_from(name: str, known: Collection[str]) -> list[str]:
    """The classes that are derived from the one of this name."""
    return [other for other in known if other.startswith(joined([name]) + SEPARATOR)]
