"""What tests of every folder may ask for."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator

import hypothesis
import pytest
import torch

from wsi_haloae.processors.threads import on_threads

hypothesis.settings.register_profile("busy", deadline=None)  # 200 ms pass on a busy machine with nothing wrong
hypothesis.settings.load_profile("busy")


@pytest.fixture(autouse=True)
def own_threads() -> Iterator[None]:
    """A command that a test runs sets torch's threads. Tests after it would compute other last digits."""
    with on_threads(torch.get_num_threads()):
        yield


@pytest.fixture(autouse=True, scope="session")
def no_waiting_for_the_disk() -> Iterator[None]:
    """No test outlasts a power cut; those about one count what is asked of the disk (tests/durability.py)."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _descriptor: None)
        yield


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever tries to reach another machine fails the test."""

    def refuse(*_args: object, **_kwargs: object) -> None:
        raise AssertionError("a test tried to reach the network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
