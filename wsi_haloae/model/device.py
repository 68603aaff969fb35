"""Chooses the device of a run, in one place."""

from __future__ import annotations

import torch

from wsi_haloae.errors import UsageError


def resolve_device(name: str) -> torch.device:
    """``auto``, ``cpu``, ``cuda``, ``cuda:N`` or ``mps``; `UsageError` if it does not exist on this machine."""
    if name == "auto":
        if torch.cuda.is_available():
            return torch.device("cuda")
        return torch.device("mps" if torch.backends.mps.is_available() else "cpu")
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise UsageError(f"--device {name}: not usable on this machine ({reason}). Choose {_told_usable()}.") from None
    if device.type not in {"cpu", "cuda", "mps"}:
        raise UsageError(f"--device {name}: choose {_told_usable()}.")
    return device


def _told_usable() -> str:
    """The names that this machine takes."""
    names = ["auto", "cpu", *(f"cuda:{number}" for number in range(torch.cuda.device_count()))]
    names += ["mps"] * torch.backends.mps.is_available()
    return f"{', '.join(names[:-1])} or {names[-1]}"
