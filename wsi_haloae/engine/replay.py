"""CUDA graphs: the hundreds of kernels of a batch are recorded once, then launched as one.

The kernels of a small model finish faster than Python starts the next one; a graph contains no Python.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, TypeVar

import torch
from torch import Tensor

Result = TypeVar("Result", Tensor, dict[str, Tensor])

WARM_UPS = 3
"""Calls before recording: in the first ones, cuDNN and cuBLAS choose algorithms and allocate their workspaces."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Recording(Generic[Result]):
    """A recorded call: ``replay`` computes ``result`` from what is in ``given`` at that time."""

    given: Tensor
    result: Result
    replay: Callable[[], None]


def record_cuda_graph(function: Callable[[Tensor], Result], example: Tensor) -> Recording[Result]:
    """Record a function without data-dependent control flow, for inputs of the example's shape, layout and device."""
    given = torch.empty_like(example).copy_(example)
    beside = torch.cuda.Stream(example.device)  # type: ignore[no-untyped-call]
    beside.wait_stream(torch.cuda.current_stream(example.device))
    with torch.cuda.stream(beside):
        for _ in range(WARM_UPS):
            function(given)
    torch.cuda.current_stream(example.device).wait_stream(beside)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph, capture_error_mode="thread_local"):
        result = function(given)
    return Recording(given, result, graph.replay)


class Replayed(Generic[Result]):
    """Replaces ``function``: its first call for each shape is recorded, and then replayed, with the same results.

    If a call cannot be recorded (it has an operation that a graph cannot contain), the function itself is called, and
    the log says so once. Running out of memory raises `torch.OutOfMemoryError`, as without recording.
    """

    def __init__(
        self,
        function: Callable[[Tensor], Result],
        record: Callable[[Callable[[Tensor], Result], Tensor], Recording[Result]] = record_cuda_graph,
    ) -> None:
        self._function: Callable[[Tensor], Result] = function
        self._record: Callable[[Callable[[Tensor], Result], Tensor], Recording[Result]] = record
        self._recordings: dict[tuple[torch.Size, torch.dtype], Recording[Result] | None] = {}

    def __call__(self, given: Tensor) -> Result:
        """Returns new tensors, which the next call does not change."""
        key = given.shape, given.dtype
        if key not in self._recordings:
            self._recordings[key] = self._recorded(given)
        recording = self._recordings[key]
        if recording is None:
            return self._function(given)
        recording.given.copy_(given)
        recording.replay()
        result = recording.result
        return result.clone() if isinstance(result, Tensor) else {name: one.clone() for name, one in result.items()}

    def _recorded(self, example: Tensor) -> Recording[Result] | None:
        try:
            return self._record(self._function, example)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            log.warning("cannot use a CUDA graph, so kernels are started one by one: %s", str(error).splitlines()[0])
            return None
