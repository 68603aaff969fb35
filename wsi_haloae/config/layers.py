"""Which layers of a backbone can be features: those of the networks that need no other library.

Names are the paper's (relu3_4) for a VGG, and torchvision's modules for a DenseNet.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from wsi_haloae.nearest import nearest


class Layer(NamedTuple):
    """What a layer gives: channels, and cells of so many input pixels a side."""

    channels: int
    reduction: int


@dataclass(frozen=True)
class Layers:
    """All layers by name, in the network's order, and those that are used if none are chosen."""

    known: Mapping[str, Layer]
    usual: tuple[str, ...]

    def require(self, backbone: str, chosen: tuple[str, ...]) -> None:
        """Raise `ValueError` for an unknown name, a repeated one, and another order than the network's."""
        names = list(self.known)
        for name in chosen:
            if name not in names:
                close = nearest(name, names)
                hint = f"did you mean {close}? " if close else ""
                raise ValueError(f"{backbone} has no layer {name}; {hint}Its layers: {', '.join(names)}")
        ordered = [name for name in names if name in chosen]
        if list(chosen) != ordered:
            raise ValueError(
                f"layers are {list(chosen)}; give each once, in the network's order: [{', '.join(ordered)}]"
            )


def _relus(*convolutions: int) -> dict[str, Layer]:
    """The ReLUs of a VGG whose stages have these numbers of convolutions; each stage halves the image."""
    return {
        f"relu{stage + 1}_{number + 1}": Layer(64 << stage, 1 << stage)
        for stage, count in enumerate(convolutions)
        for number in range(count)
    }


_VGG19 = Layers(_relus(2, 2, 4), ("relu1_1", "relu2_1", "relu3_1", "relu3_4"))
_DENSENET121 = {
    "pool0": Layer(64, 4),
    "denseblock1": Layer(256, 4),
    "transition1.conv": Layer(128, 4),
    "denseblock2": Layer(512, 8),
    "transition2.conv": Layer(256, 8),
    "denseblock3": Layer(1024, 16),
    "transition3.conv": Layer(512, 16),
}

LAYERS: Mapping[str, Layers] = {
    "vgg19": _VGG19,
    "vgg16": Layers(_relus(2, 2, 3), ("relu1_1", "relu2_1", "relu3_1", "relu3_3")),
    "random": _VGG19,
    "densenet121": Layers(_DENSENET121, ("transition1.conv", "transition2.conv", "transition3.conv")),
}
"""By backbone. A VGG is cut after its third stage, a DenseNet after its third block."""
