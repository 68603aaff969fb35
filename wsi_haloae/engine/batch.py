"""The default batch size of the model: measured on a GPU, estimated on a CPU."""

from __future__ import annotations

from collections.abc import Callable

import torch

from wsi_haloae.engine.inference import InferenceModel
from wsi_haloae.features.preprocessing import normalise
from wsi_haloae.stores.filling import SHARD_TILES

LARGEST = 4 * SHARD_TILES
"""Of 64 channels at 256 x 256 pixels they are 2^30 numbers, still counted by cuDNN with 32 bits."""
FULL_SIZE = 64
"""Tiles at full resolution that fill a GPU; at half the resolution four times as many are as much work."""
ALLOCATOR_BLOCK = 32 << 20
"""glibc returns blocks of this size and more to the system after every use, and each page is then mapped again: on
2 cores of an AMD EPYC, batches of 16 instead of 4 made `haloae-small` a third slower."""
WIDEST_CHANNELS = 64
"""Channels of the widest layer at full size, the first one of a VGG."""
GPU_SHARE = 0.7
"""Share of the free memory to use: the rules' statistics need some too, and other programs come and go."""
MPS_BATCH = 32


def automatic_batch_size(model: InferenceModel, tile_size: int, device: torch.device) -> int:
    """A power of two, at most `LARGEST`; on a GPU at most as much work as `FULL_SIZE` tiles at full resolution."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        fits = fitting(int(free * GPU_SHARE), lambda tiles: _peak_bytes(model, tile_size, tiles, device))
        return min(fits, filling(model.config.input_downsample))
    if device.type == "mps":
        return MPS_BATCH
    bytes_per_tile = WIDEST_CHANNELS * (tile_size // model.config.input_downsample) ** 2 * 4
    return power_of_two((ALLOCATOR_BLOCK - 1) // bytes_per_tile)


def fitting(free: int, peak: Callable[[int], int]) -> int:
    """The largest batch that fits into ``free`` bytes; ``peak(n)`` returns the bytes that n tiles need.

    Two small batches show how much each tile needs, and how much every batch needs besides.
    """
    one, three = peak(1), peak(3)
    each = max(1, (three - one) // 2)
    return power_of_two((free - one) // each + 1)


def filling(downsample: int) -> int:
    """The batch that fills a GPU by the estimate of `FULL_SIZE`."""
    return power_of_two(FULL_SIZE * downsample**2)


def whole(size: int) -> int:
    """The largest batch of at most ``size`` tiles that shards can be put together to.

    Any size within a shard; beyond it, a power of two, so that halves of it are made of whole shards, too.
    """
    return size if size <= SHARD_TILES else power_of_two(size)


def power_of_two(most: int) -> int:
    """The largest power of two that is at most ``most``; at least 1, at most `LARGEST`."""
    return 1 << (min(max(most, 1), LARGEST).bit_length() - 1)


@torch.inference_mode()
def _peak_bytes(model: InferenceModel, tile_size: int, tiles: int, device: torch.device) -> int:
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    unit = torch.zeros(tiles, 3, tile_size, tile_size, device=device)
    features = model.features(normalise(unit, model.config.input_downsample))
    # Residuals by channel and SSIM briefly need about six more maps of this size.
    held = [model.reconstruct(features), *(torch.empty_like(features) for _ in range(6))]
    peak = torch.cuda.max_memory_allocated(device) - before
    del held
    return peak
