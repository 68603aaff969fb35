"""What is computed of a batch can be recorded as a CUDA graph: nothing is copied from or to the host.

No GPU is needed: torch's fake tensors have a device and no values.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from tests.model.tiny import EVERY_INGREDIENT, TILE, tiny_checkpoint
from wsi_haloae.features.constants import kept
from wsi_haloae.model.ssim import _gaussian_band
from wsi_haloae.scoring.scorer import Scorer

BATCH = 4


class Crossings(TorchDispatchMode):
    """Collects the operations with tensors on two devices."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        tensors = [leaf for leaf in tree_leaves((args, kwargs, result)) if isinstance(leaf, Tensor)]
        if len({tensor.device.type for tensor in tensors}) > 1:
            self.found.append(str(func))
        return result


@pytest.fixture
def pretended_gpu() -> Iterator[None]:
    with FakeTensorMode(allow_non_fake_inputs=True):
        yield
    for cached in (kept, _gaussian_band):
        cached.cache_clear()  # of tensors without values


def moved(part: Any) -> Any:
    """``part`` with all its tensors on the pretended GPU."""
    if isinstance(part, Tensor):
        return torch.empty_like(part, device="cuda")
    if isinstance(part, dict):
        return {name: moved(value) for name, value in part.items()}
    if dataclasses.is_dataclass(part) and not isinstance(part, type):
        fields = {field.name: moved(getattr(part, field.name)) for field in dataclasses.fields(part)}
        return dataclasses.replace(part, **fields)
    return part


@pytest.mark.parametrize("changes", [{}, EVERY_INGREDIENT], ids=["plain", "every ingredient"])
def test_a_batch_is_scored_without_the_host(changes: dict[str, Any], request: pytest.FixtureRequest) -> None:
    scorer = Scorer(tiny_checkpoint(**changes), torch.device("cpu"), BATCH)
    request.getfixturevalue("pretended_gpu")
    for module in scorer._model.modules():
        for held in (module._parameters, module._buffers):
            held.update(moved(held))
    scorer._reference, scorer._feature_range = moved(scorer._reference), moved(scorer._feature_range)
    batch = torch.zeros(BATCH, TILE, TILE, 3, dtype=torch.uint8, device="cuda")
    with torch.inference_mode():
        scorer._score_batch(batch, keep_maps=True)  # as before a recording: constants are copied once
        with Crossings() as crossings:
            found = scorer._score_batch(batch, keep_maps=True)
    assert crossings.found == []
    assert {values.device.type for values in found.values()} == {"cuda"}
