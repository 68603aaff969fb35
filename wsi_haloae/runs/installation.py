"""What ``wsi-haloae doctor`` says about packages and the machine; nothing in it names a person, a host or a folder."""

from __future__ import annotations

import os
import platform
import re
import tempfile
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version

import psutil

from wsi_haloae.processors.cores import available_cores
from wsi_haloae.processors.cpu_quota import cpu_quota
from wsi_haloae.progress import size
from wsi_haloae.runs.doctor import Finding

OURS = "wsi-haloae"
DEVELOPMENT = frozenset({"dev", "docs"})
"""Extras that users do not install."""
_NAME, _EXTRA = re.compile(r"[A-Za-z0-9._-]+"), re.compile(r"""extra\s*==\s*["']([^"']+)""")


def packages() -> Iterator[Finding]:
    """The versions of this package, of Python, and of every package that is needed or optional."""
    yield Finding(OURS, version(OURS))
    yield Finding("python", f"{platform.python_version()} ({platform.python_implementation()})")
    needed, optional = _named_packages()
    found = {name: _version(name) for name in [*needed, *optional]}
    missing = [name for name in needed if found[name] is None]
    yield Finding("packages", ", ".join(f"{name} {found[name]}" for name in needed if found[name]))
    if missing:
        yield Finding("missing", f"{', '.join(missing)}. Install wsi-haloae again.", broken=True)
    yield Finding("optional", ", ".join(f"{name} {found[name] or '-'}" for name in optional))


def slide_libraries() -> Iterator[Finding]:
    """The library that reads slides, which must be loaded to be known."""
    from wsi_haloae.slide.openslide_slide import library_version  # noqa: PLC0415  # it may be what is broken

    yield Finding("openslide", library_version())


def machine() -> Iterator[Finding]:
    """System, cores, memory and disk."""
    yield Finding("system", f"{platform.platform()}, {platform.machine()}")
    quota = cpu_quota()
    limit = "" if quota is None else f", quota {quota:g}"
    yield Finding("cores", f"{available_cores()} of {os.cpu_count()} may be used{limit}")
    memory = psutil.virtual_memory()
    yield Finding("memory", f"{size(memory.available)} of {size(memory.total)} available")
    here, temporary = psutil.disk_usage("."), psutil.disk_usage(tempfile.gettempdir())
    yield Finding("disk", f"{size(here.free)} free here, {size(temporary.free)} in the temporary folder")


def _named_packages() -> tuple[list[str], list[str]]:
    """The packages that are always needed, and those of extras for users."""
    needed, optional = [], []
    for line in requires(OURS) or []:
        name, extra = _NAME.match(line), _EXTRA.search(line)
        assert name is not None, "a requirement begins with a name"
        if extra is None:
            needed.append(name[0])
        elif extra[1] not in DEVELOPMENT and name[0] not in optional:
            optional.append(name[0])
    return needed, optional


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
