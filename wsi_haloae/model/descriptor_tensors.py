"""How a checkpoint keeps what tiles' descriptors need: the basis, and the reference's descriptors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from wsi_haloae.adaptation.reference import ReferenceDescriptors
from wsi_haloae.errors import CheckpointError
from wsi_haloae.model.basis import Basis

_BASIS, _REFERENCE = "descriptor.basis.", "descriptor.reference."


@dataclass(frozen=True, eq=False)
class DescriptorModel:
    """``basis`` makes descriptors of tiles, ``reference`` says how those of reference tiles lie."""

    basis: Basis
    reference: ReferenceDescriptors

    def tensors(self) -> dict[str, Tensor]:
        """By the names that they have in a checkpoint's file."""
        basis = {f"{_BASIS}{name}": tensor.contiguous().cpu() for name, tensor in vars(self.basis).items()}
        arrays = self.reference.arrays()
        return basis | {f"{_REFERENCE}{name}": torch.from_numpy(values) for name, values in arrays.items()}


def descriptor_model(path: Path, tensors: Mapping[str, Tensor]) -> DescriptorModel | None:
    """From the tensors of a checkpoint at ``path``; None for one without. Raises `CheckpointError` for damaged ones."""
    if not any(name.startswith(_REFERENCE) for name in tensors):
        return None
    try:
        basis = Basis(*(tensors[f"{_BASIS}{name}"] for name in ("centre", "scale", "axes")))
        arrays = {name.removeprefix(_REFERENCE): one.numpy() for name, one in tensors.items() if _REFERENCE in name}
        reference = ReferenceDescriptors.of(arrays)
        numbers, size = basis.axes.shape
        if basis.centre.shape != (numbers,) or basis.scale.shape != (numbers,) or size != reference.dimensions:
            raise ValueError("its basis does not fit")
    except (KeyError, ValueError, TypeError) as error:
        raise CheckpointError(
            f"{path}: the descriptors of reference tiles are damaged ({error}). Copy the file again from its source, "
            "or train again."
        ) from None
    return DescriptorModel(basis, reference)
