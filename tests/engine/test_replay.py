"""Recorded calls, with a recorder that plays the part of CUDA: fixed buffers, and a function to fill the second."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor

from tests.model.tiny import tiny_checkpoint
from wsi_haloae.engine.inference import InferenceModel
from wsi_haloae.engine.replay import Recording, Replayed
from wsi_haloae.engine.transfer import batches_on


class Recorder:
    """Records as a CUDA graph does: the same memory at every replay."""

    def __init__(self) -> None:
        self.shapes: list[tuple[int, ...]] = []

    def __call__(self, function: Callable[[Tensor], Tensor], example: Tensor) -> Recording:
        self.shapes.append(tuple(example.shape))
        given = torch.empty_like(example)
        result = torch.empty_like(function(example))

        def replay() -> None:
            result.copy_(function(given))

        return Recording(given, result, replay)


def test_a_recording_is_made_once_for_each_shape() -> None:
    record = Recorder()
    replayed = Replayed(lambda x: 2 * x, record)
    for size in (3, 3, 5, 3):
        x = torch.rand(size)
        assert torch.equal(replayed(x), 2 * x)
    assert record.shapes == [(3,), (5,)]


def test_the_next_call_does_not_change_what_an_earlier_one_gave() -> None:
    replayed = Replayed(lambda x: x + 1, Recorder())
    first = replayed(torch.zeros(2))
    replayed(torch.ones(2))
    assert first.tolist() == [1, 1]


def test_what_cannot_be_recorded_is_called_and_said_once(caplog: pytest.LogCaptureFixture) -> None:
    def record(function: Callable[[Tensor], Tensor], example: Tensor) -> Recording:
        raise RuntimeError("operation not permitted when stream is capturing\nmore")

    replayed = Replayed(lambda x: x * 3, record)
    assert [float(replayed(torch.tensor([float(k)]))) for k in range(3)] == [0, 3, 6]
    assert [message.split(": ")[1] for message in caplog.messages] == [
        "operation not permitted when stream is capturing"
    ]


def test_out_of_memory_is_the_callers() -> None:
    def record(function: Callable[[Tensor], Tensor], example: Tensor) -> Recording:
        raise torch.OutOfMemoryError("none is left")

    with pytest.raises(torch.OutOfMemoryError):
        Replayed(lambda x: x, record)(torch.zeros(1))


def test_a_processor_has_nothing_to_record() -> None:
    model = InferenceModel(tiny_checkpoint().model, torch.device("cpu"))
    plain = model._features
    assert model.replayed()._features == plain


@pytest.mark.parametrize("count", [0, 1, 4, 7])
def test_batches_are_the_tiles_filled_up_with_zeros(count: int) -> None:
    tiles = torch.randint(1, 256, (count, 2, 2, 3), dtype=torch.uint8)
    batches = list(batches_on(torch.device("cpu"), tiles.numpy(), 4))
    assert all(len(batch) == 4 for batch in batches)
    assert len(batches) == -(-count // 4)
    assert torch.equal(torch.cat([*batches, tiles[:0]])[:count], tiles)
    assert not torch.cat([*batches, tiles[:0]])[count:].any()
