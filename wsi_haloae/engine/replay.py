"""CUDA graphs: the hundreds of kernels of a batch recorded once, and launched as one ever after.

A small model's kernels end sooner than Python starts the next one; a graph has no Python in it.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

Function = Callable[[Tensor], Tensor]

WARM_UPS = 3
"""Calls before recording: cuDNN and cuBLAS choose their ways, and take their workspaces, in the first ones."""

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Recording:
    """A recorded call: what lies in ``given`` when ``replay`` is called is what ``result`` is the result of."""

    given: Tensor
    result: Tensor
    replay: Callable[[], None]


def record_cuda_graph(function: Function, example: Tensor) -> Recording:
    """Of a function without data-dependent control flow, for inputs of the example's shape, layout and device."""
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


class Replayed:
    """``function`` by its recording, from the first call of each shape on; the same numbers.

    Where a recording cannot be made (an operation that a graph cannot hold), the function itself is called,
    and the log says so once. Running out of memory is the caller's: `torch.OutOfMemoryError`, as without.
    """

    def __init__(self, function: Function, record: Callable[[Function, Tensor], Recording] = record_cuda_graph) -> None:
        self._function, self._record = function, record
        self._recordings: dict[tuple[torch.Size, torch.dtype], Recording | None] = {}

    def __call__(self, given: Tensor) -> Tensor:
        """A tensor of the caller's own: the next call does not change it."""
        key = given.shape, given.dtype
        if key not in self._recordings:
            self._recordings[key] = self._recorded(given)
        recording = self._recordings[key]
        if recording is None:
            return self._function(given)
        recording.given.copy_(given)
        recording.replay()
        return recording.result.clone()

    def _recorded(self, example: Tensor) -> Recording | None:
        try:
            return self._record(self._function, example)
        except torch.OutOfMemoryError:
            raise
        except RuntimeError as error:
            log.warning("no CUDA graph, kernels are started one by one: %s", str(error).splitlines()[0])
            return None
