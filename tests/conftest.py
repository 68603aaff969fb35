"""What tests of every folder may ask for."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
import torch

from wsi_haloae.processors.threads import on_threads


@pytest.fixture(autouse=True)
def own_threads() -> Iterator[None]:
    """A command that a test runs sets torch's threads. Tests after it would compute other last digits."""
    with on_threads(torch.get_num_threads()):
        yield


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever tries to reach another machine fails the test."""

    def refuse(*_args: object, **_kwargs: object) -> None:
        raise AssertionError("a test tried to reach the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
