"""Checkpoint: one safetensors file with all that scoring needs, and no code.

The file holds the weights (those of the frozen features too, so scoring needs no download), the configuration, tile
size, pixel size, feature statistics, mean map, what the scoring rules learned, calibration and display range. Training
and scoring both use it, so their preprocessing is the same. A digest of all its bytes is checked when it is loaded.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import torch
from pydantic import BaseModel, ConfigDict, PositiveFloat, ValidationError, field_validator
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from wsi_haloae.artefacts.limits import ArtefactLimits
from wsi_haloae.atomic import replacing
from wsi_haloae.calibration.circumstances import UNKNOWN, Circumstances
from wsi_haloae.calibration.conformal import CalibrationFacts, ConformalCalibration
from wsi_haloae.config import AUTO, Config, ProfileUse, statistics_of
from wsi_haloae.errors import CheckpointError, ConfigError
from wsi_haloae.model.checkpoint_digest import BLANK, DIGEST_KEY, file_digests, write_digest
from wsi_haloae.model.descriptor_tensors import DescriptorModel, descriptor_model
from wsi_haloae.model.gaussian import Gaussian
from wsi_haloae.model.haloae import HaloAE
from wsi_haloae.model.older_checkpoints import from_format_4, from_format_5
from wsi_haloae.provenance.trained_on import TrainedOn, TrainedOnFacts
from wsi_haloae.stain.facts import StainFacts

FORMAT_VERSION = 6
KIND = "wsi-haloae checkpoint"
HEADER_KEY = "wsi-haloae"
"""The only entry of the file's metadata: safetensors writes several entries in random order."""
_HEADER_KEYS = ("kind", "format_version", "facts")
_CALIBRATION_SCORES, _CALIBRATION_WEIGHTS = "calibration.scores", "calibration.weights"
_USED_CELLS, _USED_IMAGES = "trained_on.cells", "trained_on.images"
_PLACES = "statistics.place_means"
_MEAN_MAP, _IMAGE_MAP, _RANGE = (f"statistics.{name}" for name in ("mean_map", "mean_image_map", "feature_range"))


class CheckpointFacts(BaseModel):
    """What is known about a model besides its weights; stored as JSON in the file's header.

    ``mpp`` is micrometres per pixel of the tile, None for images without a scale (MVTec). ``display_range`` are the
    ends of the colour bar of scores, ``map_range`` those of anomaly maps; None before calibration. ``stains`` are the
    target stains, None if slides are not stain-normalised. ``rule_marks`` are the marks of the rules that training
    chose from, None if the configuration names the rule. ``calibrated`` says how p-values came about.
    ``trained_on`` is None for models from before it was kept, and for models of labelled images. ``colour_profile``
    says whether tiles were converted to sRGB by their slides' profiles: slides are scored in the same way.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    config: Config
    tile_size: int
    mpp: PositiveFloat | None
    display_range: tuple[float, float]
    map_range: tuple[float, float] | None = None
    backbone_source: str
    training: dict[str, Any]
    calibration: CalibrationFacts | None = None
    calibrated: Circumstances = UNKNOWN
    artefacts: ArtefactLimits | None = None
    stains: StainFacts | None = None
    rule_marks: dict[str, float] | None = None
    trained_on: TrainedOnFacts | None = None
    colour_profile: ProfileUse = "ignore"

    @field_validator("display_range", "map_range")
    @classmethod
    def _rises(cls, ends: tuple[float, float] | None) -> tuple[float, float] | None:
        if ends is not None and not ends[0] < ends[1]:
            raise ValueError(f"the ends of a colour bar must rise, but they are {ends[0]:g} and {ends[1]:g}")
        return ends


@dataclass(frozen=True)
class Checkpoint:
    """A trained model with its statistics.

    ``mean_map`` (m, m) is the mean feature residual of training tiles, ``mean_image_map`` (m, m) their mean image
    residual (None if the image was not trained). ``feature_range`` (C,) is the difference between the 99.9 and the 0.1
    percentile of each channel. ``gaussians`` has the statistics of scoring rules, by name; ``descriptors`` says
    how tiles are described. ``place_means`` (C, m, m) are the mean residuals of held-out images of aligned objects, if
    the rule *whitened* was learned from such. Models of labelled images (MVTec) have none of ``descriptors``,
    ``calibration`` and ``trained_on``.
    """

    facts: CheckpointFacts
    model: HaloAE
    mean_map: Tensor
    feature_range: Tensor
    mean_image_map: Tensor | None = None
    gaussians: Mapping[str, Gaussian] = field(default_factory=dict)
    calibration: ConformalCalibration | None = None
    descriptors: DescriptorModel | None = None
    trained_on: TrainedOn | None = None
    sha256: str = ""
    has_digest: bool = False  # it was loaded from a file that states one
    place_means: Tensor | None = None

    def with_facts(self, **changes: Any) -> Checkpoint:
        """The same model with some facts changed."""
        return replace(self, facts=self.facts.model_copy(update=changes))

    def knowing(self, trained_on: TrainedOn) -> Checkpoint:
        """The same model with the fingerprints of what it was trained on."""
        return replace(self, trained_on=trained_on).with_facts(trained_on=trained_on.facts)

    def save(self, path: Path) -> None:
        """Write under a temporary name, then rename; the same contents give the same bytes."""
        tensors = _each_its_own({f"model.{name}": tensor for name, tensor in self.model.state_dict().items()})
        tensors[_MEAN_MAP] = self.mean_map.contiguous().cpu()
        tensors[_RANGE] = self.feature_range.contiguous().cpu()
        if self.mean_image_map is not None:
            tensors[_IMAGE_MAP] = self.mean_image_map.contiguous().cpu()
        for name, gaussian in self.gaussians.items():
            tensors |= {f"rule.{name}.mean": gaussian.mean, f"rule.{name}.precision": gaussian.precision.contiguous()}
        if self.place_means is not None:
            tensors[_PLACES] = self.place_means.contiguous().cpu()
        if self.descriptors is not None:
            tensors |= self.descriptors.tensors()
        if self.calibration is not None:
            tensors[_CALIBRATION_SCORES] = torch.from_numpy(self.calibration.scores)
            tensors[_CALIBRATION_WEIGHTS] = torch.from_numpy(self.calibration.weights)
        if self.trained_on is not None:
            tensors[_USED_CELLS] = torch.from_numpy(self.trained_on.cells)
            tensors[_USED_IMAGES] = torch.from_numpy(self.trained_on.images)
        facts = self.facts.model_dump(mode="json")
        header = {"kind": KIND, "format_version": FORMAT_VERSION, "facts": facts, DIGEST_KEY: BLANK}
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as partial:
            partial.touch()
            mode = partial.stat().st_mode  # as for every other file; safetensors makes its files unreadable for others
            _save_file(tensors, partial, {HEADER_KEY: json.dumps(header, sort_keys=True)})
            write_digest(partial)
            partial.chmod(mode)

    @classmethod
    def load(cls, path: Path) -> Checkpoint:
        """Load a checkpoint, in evaluation mode on the CPU; `CheckpointError` for any other file, or a damaged one."""
        try:
            with safe_open(path, framework="pt") as file:
                facts, digest = _parse_header(path, (file.metadata() or {}).get(HEADER_KEY))
                sha256 = _whole(path, digest)
                # Copied, because tensors in the mapped file are not aligned, and products would differ in their last
                # digits.
                tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118  # no mapping
        except (OSError, SafetensorError) as error:
            raise CheckpointError(
                f"{path}: cannot be read as a safetensors checkpoint ({error}). "
                "The file that train-tiles -o wrote is needed, e.g. model.safetensors."
            ) from None
        _require_numbers(path, tensors)
        model = _build(path, facts, tensors)
        return cls(
            facts,
            model,
            tensors[_MEAN_MAP],
            tensors[_RANGE],
            tensors.get(_IMAGE_MAP),
            _gaussians(path, facts, tensors),
            _calibration(path, facts, tensors),
            descriptor_model(path, tensors),
            _trained_on(path, facts, tensors),
            sha256,
            digest is not None,
            tensors.get(_PLACES),
        )


def _save_file(tensors: dict[str, Tensor], path: Path, metadata: dict[str, str]) -> None:
    """Write the file; a full disk, of which safetensors knows the number only, is the usual `OSError`."""
    try:
        save_file(tensors, path, metadata=metadata)
    except SafetensorError as error:
        number = re.search(r"os error ([0-9]+)", str(error))
        if number is None:
            raise
        raise OSError(int(number[1]), os.strerror(int(number[1]))) from error


def _each_its_own(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Tensors on the CPU, no two sharing memory, which safetensors cannot write; some networks share weights."""
    own: dict[str, Tensor] = {}
    places: set[int] = set()
    for name, given in state.items():
        tensor = given.contiguous().cpu()
        own[name] = tensor.clone() if tensor.data_ptr() in places else tensor
        places.add(tensor.data_ptr())
    return own


def _parse_header(path: Path, text: str | None) -> tuple[CheckpointFacts, str | None]:
    """The facts, and the digest of the whole file; None for a file from before there was one."""
    if text is None:
        raise CheckpointError(
            f"{path}: a safetensors file, but not a checkpoint written by 'wsi-haloae train-tiles'. "
            "(Pass VGG weights to train-tiles with --weights.)"
        )
    try:
        header = json.loads(text)
        kind, version, facts, digest = *(header.pop(key) for key in _HEADER_KEYS), header.pop(DIGEST_KEY, None)
        if (kind, version) == (KIND, 4):
            version, facts = 5, from_format_4(facts)
        if header:
            raise ValueError(f"unknown: {', '.join(sorted(header))}")
        if (kind, version) == (KIND, 5):
            version, facts = 6, from_format_5(facts)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise CheckpointError(f"{path}: the checkpoint's header is damaged ({error!r}).") from None
    if (kind, version) != (KIND, FORMAT_VERSION):
        raise CheckpointError(
            f"{path}: {kind} of format {version}, but this version of wsi-haloae reads only formats 4 to "
            f"{FORMAT_VERSION}. Score with the version that trained the model, or train it again."
        )
    try:
        return CheckpointFacts.model_validate(facts), digest
    except ValidationError as error:
        raise CheckpointError(f"{path}: the checkpoint's facts are damaged ({error}).") from None


def _whole(path: Path, digest: object) -> str:
    """SHA-256 of the file. Raises `CheckpointError` if its ``digest``, which it may lack, is not that of its bytes."""
    sha256, found = file_digests(path, digest if isinstance(digest, str) and digest else None)
    if digest != found:
        raise CheckpointError(
            f"{path}: is damaged: its bytes are not those that training wrote. Copy the file again from its source, or "
            "train again."
        )
    return sha256


def _require_numbers(path: Path, tensors: Mapping[str, Tensor]) -> None:
    """`CheckpointError` for weights or statistics that would make every score NaN, or of one size."""
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise CheckpointError(
                f"{path}: {name} holds values that are no numbers (NaN or infinite). Finite ones are needed: copy the "
                "file again from its source, or train again."
            )
    spread = tensors.get("model.standardise.std")
    if spread is not None and not bool((spread > 0).all()):
        raise CheckpointError(
            f"{path}: model.standardise.std holds deviations of 0, and features are divided by them. The file is "
            "damaged: copy it again from its source, or train again."
        )


def _build(path: Path, facts: CheckpointFacts, tensors: dict[str, Tensor]) -> HaloAE:
    state = {name.removeprefix("model."): tensor for name, tensor in tensors.items() if name.startswith("model.")}
    try:
        with torch.device("meta"):  # takes no memory until the shapes are known to fit
            model = HaloAE(facts.config.model, facts.tile_size)
        wanted = {name: tensor.dtype for name, tensor in model.state_dict().items()}
        model.load_state_dict(state, strict=True, assign=True)
        _check_dtypes(state, wanted)
        model.backbone.leave_meta()
    except (RuntimeError, TypeError, OverflowError, ConfigError) as error:
        first = str(error).splitlines()[0]
        raise CheckpointError(f"{path}: the weights do not fit the configuration ({first}).") from None
    shapes: dict[str, tuple[int, ...]] = {
        _MEAN_MAP: (model.map_size, model.map_size),
        _RANGE: (model.backbone.channels,),
    }
    if facts.config.loss.im:
        shapes[_IMAGE_MAP] = shapes[_MEAN_MAP]
    if _PLACES in tensors:
        shapes[_PLACES] = (model.backbone.channels, *shapes[_MEAN_MAP])
    for name, shape in shapes.items():
        tensor = tensors.get(name)
        if tensor is None or tensor.shape != shape or tensor.dtype != torch.float32:
            raise CheckpointError(f"{path}: {name} is missing, or not float32 of shape {shape}.")
    return model.eval()


def _gaussians(path: Path, facts: CheckpointFacts, tensors: Mapping[str, Tensor]) -> dict[str, Gaussian]:
    names = {name.split(".")[1] for name in tensors if name.startswith("rule.")}
    wanted = facts.config.scoring.rule
    if wanted == AUTO:
        raise CheckpointError(
            f"{path}: was never calibrated, so its scoring rule is not chosen yet; train the model again."
        )
    found = {}
    for name in sorted(names | statistics_of(wanted)):
        mean, precision = (tensors.get(f"rule.{name}.{part}") for part in ("mean", "precision"))
        if mean is None or precision is None or mean.ndim != 1 or precision.shape != (len(mean), len(mean)):
            raise CheckpointError(
                f"{path}: the statistics of scoring rule {name!r} are missing or have the wrong shape."
            )
        found[name] = Gaussian(mean, precision)
    return found


def _calibration(path: Path, facts: CheckpointFacts, tensors: Mapping[str, Tensor]) -> ConformalCalibration | None:
    if facts.calibration is None:
        return None
    scores, weights = tensors.get(_CALIBRATION_SCORES), tensors.get(_CALIBRATION_WEIGHTS)
    shape = (facts.calibration.tiles,)
    if scores is None or weights is None or scores.shape != shape or weights.shape != shape:
        raise CheckpointError(f"{path}: the calibration scores are missing, or not {shape[0]} of them.")
    if not (bool((scores.diff() >= 0).all()) and bool((weights >= 0).all()) and abs(float(weights.sum()) - 1) < 1e-6):
        raise CheckpointError(
            f"{path}: the calibration scores do not rise, or their weights do not add up to 1. The file is damaged: "
            "copy it again from its source, or train again."
        )
    return ConformalCalibration(scores.numpy(), weights.numpy(), facts.calibration)


def _trained_on(path: Path, facts: CheckpointFacts, tensors: Mapping[str, Tensor]) -> TrainedOn | None:
    if facts.trained_on is None:
        return None
    cells, images = tensors.get(_USED_CELLS), tensors.get(_USED_IMAGES)
    if cells is None or images is None or (cells.dtype, images.dtype) != (torch.uint8, torch.int64):
        raise CheckpointError(f"{path}: {_USED_CELLS} or {_USED_IMAGES} is missing, or not of whole numbers.")
    try:
        return TrainedOn(facts.trained_on, cells.numpy(), images.numpy())
    except ValueError as error:
        raise CheckpointError(
            f"{path}: the fingerprints of what the model was trained on are damaged ({error}). Copy the file again "
            "from its source, or train again."
        ) from None


def _check_dtypes(state: dict[str, Tensor], wanted: dict[str, torch.dtype]) -> None:
    for name, dtype in wanted.items():
        if state[name].dtype != dtype:
            raise TypeError(f"{name} is {state[name].dtype}, not {dtype}")
