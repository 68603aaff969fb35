"""Where people find the page: at any port of this machine, and behind a proxy under the names and the path of that.

`ssh -L` changes the port, and nothing else. A proxy (JupyterHub, Open OnDemand) has a name of its own, which it may
pass on or replace, and a path, which it may leave out. Names that were not given are refused: a site may have pointed
its name at this machine.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Self
from urllib.parse import quote, unquote

from wsi_haloae.errors import UsageError

OWN_NAMES: Final = frozenset({"127.0.0.1", "localhost", "[::1]"})
_SPELLED = re.compile(r"([a-z0-9._-]+|\[[0-9a-f:.]+\])(?::([0-9]{1,5}))?")
_USUAL_PORTS = frozenset({"80", "443"})


@dataclass(frozen=True)
class Host:
    """A name with a port, as a Host header and an address have it; no port is the usual one of http or https."""

    name: str
    port: str | None = None

    @classmethod
    def read(cls, spelled: str) -> Self | None:
        """None for anything else, such as an address with a path."""
        found = _SPELLED.fullmatch(spelled.lower())
        return None if found is None else cls(found[1], None if found[2] in _USUAL_PORTS else found[2])

    @classmethod
    def of_origin(cls, origin: str) -> Self | None:
        """The host of an Origin header; None for ``null`` and anything that is no web address."""
        scheme, _, rest = origin.partition("://")
        return cls.read(rest) if scheme in {"http", "https"} else None


@dataclass(frozen=True)
class Front:
    """What the user said about a proxy: the names that it passes on, and the path below which it shows the page."""

    allowed: frozenset[Host] = frozenset()
    base_path: str = ""
    """Decoded, without the last slash."""

    @classmethod
    def given(cls, base_path: str, names: Iterable[str]) -> Self:
        """From the command line. Raises `UsageError` for what is no path or no name."""
        return cls(frozenset(map(_allowed, names)), _base(base_path))

    @property
    def address(self) -> str:
        """The path of the page, as an address has it."""
        return quote(self.base_path) + "/"

    def answers_to(self, spelled: str) -> bool:
        """Whether a Host header names this machine, or a name that was allowed (without a port: at any port)."""
        host = Host.read(spelled)
        return host is not None and (host.name in OWN_NAMES or not self.allowed.isdisjoint({host, Host(host.name)}))

    def is_own(self, origin: str, host: str) -> bool:
        """Whether a page of this origin is the viewer's: it has the host that was asked, or exactly one allowed.

        Other ports are other sites: on a shared machine they may be other people's.
        """
        page = Host.of_origin(origin)
        return page is not None and (page == Host.read(host) or page in self.allowed)

    def inside(self, path: str) -> str:
        """A request's path without the base path, which some proxies leave out; "" lacks the page's last slash."""
        if path == self.base_path or path.startswith(self.base_path + "/"):
            return path[len(self.base_path) :]
        return path


DIRECT: Final = Front()
"""Without a proxy."""


def _allowed(given: str) -> Host:
    host = Host.read(given)
    if host is None:
        raise UsageError(
            f"--allow-host {given}: this is no host name. Pass the part of the browser's address between // and the "
            "next /, for example hub.example.org or hub.example.org:8000."
        )
    return host


def _base(given: str) -> str:
    path = unquote(given).strip("/")
    if not path:
        return ""
    if any(part in {"", ".", ".."} for part in path.split("/")) or re.search(r"[?#\\\x00-\x1f\x7f]|:/", path):
        raise UsageError(
            f"--base-path {given}: this is no path. Pass the part of the browser's address after the host, for "
            "example /node/cn12/8765."
        )
    return f"/{path}"
