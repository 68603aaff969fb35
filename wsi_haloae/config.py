"""Configuration: what a YAML preset, ``--config`` and ``--set`` may say.

The defaults are the paper's sizes (HaloAE, VISAPP 2023) with what the specification corrects;
a YAML file lists only its deviations from them. Unknown keys are refused, with a suggestion.
"""

from __future__ import annotations

import difflib
import reprlib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Literal, Self, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, PositiveInt, StrictBool, ValidationError, model_validator

from wsi_haloae.errors import ConfigError


class Section(BaseModel):
    """A frozen group of settings that refuses keys it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class FeaturesConfig(Section):
    """Block B: frozen multi-scale features of a VGG network."""

    backbone: Literal["vgg19", "vgg16", "random"] = "vgg19"
    alignment: Literal["aligned", "released"] = "aligned"
    standardise: bool = True
    std_floor: float = Field(0.1, gt=0, description="share of the layer's median deviation")
    random_width: float = Field(0.25, gt=0, le=1, description="width of the random backbone against VGG19's")
    random_seed: int = 0


class AttentionConfig(Section):
    """Halo attention (Vaswani et al. 2021): blocks of queries see a halo of keys around them."""

    block_size: int = Field(12, ge=1)
    halo_size: int = Field(2, ge=0)
    dim_head: int = Field(16, ge=1)
    mask: Literal["correct", "released"] = "correct"


class StageConfig(Section):
    """One bottleneck block. ``out: null`` means as many channels as the features have."""

    mid: int = Field(ge=1)
    out: int | None = Field(ge=1)
    heads: int = Field(ge=1)
    kernel: int = Field(ge=1)


def _stage(mid: int, out: int | None, heads: int, kernel: int) -> StageConfig:
    return StageConfig(mid=mid, out=out, heads=heads, kernel=kernel)


class AutoEncoderConfig(Section):
    """Block C: the head, the stages of the HaloNet encoder and of its mirrored decoder."""

    head_width: int = Field(234, ge=1)
    head_kernel: int = Field(5, ge=1)
    encoder: tuple[StageConfig, ...] = (
        _stage(234, 234, 4, 3),
        _stage(117, 117, 8, 3),
        _stage(58, 58, 8, 5),
        _stage(29, 29, 8, 5),
    )
    decoder: tuple[StageConfig, ...] = (
        _stage(29, 29, 4, 3),
        _stage(58, 59, 8, 3),
        _stage(118, 118, 8, 3),
        _stage(236, 237, 8, 5),
        _stage(703, None, 8, 1),
    )

    @model_validator(mode="after")
    def _kernels_are_odd(self) -> Self:
        for kernel in (self.head_kernel, *(stage.kernel for stage in (*self.encoder, *self.decoder))):
            if kernel % 2 == 0:
                raise ValueError(f"kernel {kernel} is even; only odd kernels keep the map's size")
        if not self.encoder or not self.decoder or self.decoder[-1].out is not None:
            raise ValueError("the last decoder stage must have 'out: null' (the features' channels)")
        return self


class ImageDecoderConfig(Section):
    """Block D: features back to an image."""

    widths: tuple[PositiveInt, ...] = (380, 190, 95, 47, 23)
    final_relu: bool = False


class ClassifierConfig(Section):
    """Block E: original against damaged, on the reconstructed image."""

    logits: Literal[1, 2] = 1


class ModelConfig(Section):
    """Blocks B to E."""

    input_downsample: int = Field(1, ge=1, le=4, description="area-average the tile by this factor first")
    map_size: Literal["same", "stretch60"] = "same"
    features: FeaturesConfig = FeaturesConfig()
    attention: AttentionConfig = AttentionConfig()
    autoencoder: AutoEncoderConfig = AutoEncoderConfig()
    image_decoder: ImageDecoderConfig = ImageDecoderConfig()
    classifier: ClassifierConfig = ClassifierConfig()


class LossConfig(Section):
    """How the losses are computed: SSIM's form, and the weight of the reconstruction losses.

    ``reconstruction: sum`` adds them up over the positions of the feature map, as equation 2 of the
    paper is written; ``mean`` averages, as the published code does. Averaged, their gradient is 10
    to 600 times weaker than the classifier's, and a short training learns nothing else
    (docs/decisions/0004-reconstruction-losses.md).
    """

    ssim: Literal["scaled", "released"] = "scaled"
    reconstruction: Literal["mean", "sum"] = "mean"


class EwsConfig(Section):
    """Evolving weighting scheme (paper, section 3.3 and Fig. 3)."""

    schedule: Literal["paper", "released"] = "paper"
    unit: Literal["progress", "epoch"] = "progress"


class TrainingConfig(Section):
    """Optimisation. ``steps`` fixes the length; otherwise it is ``epochs`` x ``steps_per_epoch``."""

    steps: int | None = Field(None, ge=1)
    epochs: int = Field(250, ge=1)
    steps_per_epoch: int | None = Field(None, ge=1, description="null: one pass over the training tiles")
    originals_per_batch: int = Field(4, ge=1, description="each comes with two damaged copies")
    learning_rate: float = Field(1e-4, gt=0)
    weight_decay: float = Field(1e-5, ge=0)
    colour_jitter: float = Field(0.1, ge=0, le=1)
    flip: bool = Field(True, description="random flips and quarter turns; slides have no upright")
    seed: int = Field(0, ge=0)
    patience: int = Field(20, ge=1, description="epochs without a better held-out L_fm before stopping")
    select_tiles: int = Field(64, ge=1, description="held-out tiles looked at after each epoch")
    statistics_tiles: int = Field(512, ge=1, description="tiles behind means, deviations and the mean map")


class SplitConfig(Section):
    """Shares of the reference groups; no group is in two."""

    select: float = Field(0.15, gt=0, lt=0.5)
    calibrate: float = Field(0.15, gt=0, lt=0.5)


class ScoringConfig(Section):
    """From an anomaly map to a number per tile (contract, Score)."""

    glass_level: float = Field(
        0.86, gt=0, le=1, description="a cell is glass when its darkest channel is at least this bright"
    )


class TissueConfig(Section):
    """The tissue mask, found on a thumbnail."""

    mpp: float = Field(8.0, gt=0, description="pixel size of the thumbnail, micrometres")
    faintest: float = Field(0.045, gt=0, description="least stain of a pixel that touches tissue")
    floor: float = Field(0.065, gt=0, description="least stain threshold: above the noise of glass")
    ceiling: float = Field(0.09, gt=0, description="greatest stain threshold: below pale tissue")
    smoothing: float = Field(8.0, ge=0, description="deviation of the smoothing, micrometres")
    closing: float = Field(20.0, ge=0, description="gaps up to twice this are closed, micrometres")
    smallest_object: float = Field(8_000.0, ge=0, description="smaller objects are dust, square micrometres")
    largest_hole: float = Field(40_000.0, ge=0, description="holes up to this are filled, square micrometres")
    pen_width: float = Field(150.0, gt=0, description="ink narrower than this is no marker stroke, micrometres")
    pen_margin: float = Field(24.0, ge=0, description="the pen mask is widened by this, micrometres")
    min_fraction: float = Field(0.1, ge=0, le=1, description="tiles with less tissue are left out")


class Config(Section):
    """Everything that decides what a model is and how it is trained."""

    as_released: StrictBool = False
    model: ModelConfig = ModelConfig()
    loss: LossConfig = LossConfig()
    ews: EwsConfig = EwsConfig()
    training: TrainingConfig = TrainingConfig()
    split: SplitConfig = SplitConfig()
    scoring: ScoringConfig = ScoringConfig()
    tissue: TissueConfig = TissueConfig()

    @model_validator(mode="before")
    @classmethod
    def _released_values_come_first(cls, data: Any) -> Any:
        """``as_released: true`` changes defaults only: a field that is named keeps its value."""
        if isinstance(data, Mapping) and data.get("as_released") is True:
            return merge(AS_RELEASED, data)
        return data


AS_RELEASED: dict[str, Any] = {
    "model": {
        "map_size": "stretch60",
        "features": {"alignment": "released", "standardise": False},
        "attention": {"mask": "released"},
        "image_decoder": {"final_relu": True},
        "classifier": {"logits": 2},
    },
    "loss": {"ssim": "released"},
    "ews": {"schedule": "released", "unit": "epoch"},
    "training": {"steps_per_epoch": 750, "flip": False},
}
"""What the authors' published code does (specification, section 0), field by field."""

AnySection = TypeVar("AnySection", bound=Section)


def merge(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """``over`` laid on ``base``, mapping by mapping; neither is changed."""
    merged = dict(base)
    for key, value in over.items():
        below = merged.get(key)
        merged[key] = merge(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return merged


def preset_folder() -> Path:
    """Where the presets lie: inside the wheel, or at the top of a source checkout."""
    in_wheel = Path(__file__).parent / "configs"
    return in_wheel if in_wheel.is_dir() else Path(__file__).parents[1] / "configs"


def preset_names(kind: str) -> list[str]:
    """Names of the presets of one kind (``train``), for ``--config``."""
    return sorted(path.stem for path in (preset_folder() / kind).glob("*.yaml"))


def load_config(name_or_file: str | None, settings: Iterable[str] = (), *, kind: str = "train") -> Config:
    """A preset or YAML file with ``--set section.key=value`` laid over it.

    Raises `ConfigError` for a name that is no preset, broken YAML, unknown keys and bad values.
    """
    data = _read_yaml(_find_config(name_or_file, kind)) if name_or_file else {}
    for setting in settings:
        data = merge(data, _parse_setting(setting))
    return validate(Config, data, source=name_or_file or "--set")


def validate(model: type[AnySection], data: Mapping[str, Any], *, source: str) -> AnySection:
    """``data`` as a section; raises `ConfigError` with one line per mistake."""
    try:
        return model.model_validate(data)
    except ValidationError as error:
        lines = [_explain(model, dict(problem)) for problem in error.errors()]
        raise ConfigError(f"{source}: the configuration cannot be used.\n  " + "\n  ".join(lines)) from None


def _find_config(name_or_file: str, kind: str) -> Path:
    preset = preset_folder() / kind / f"{name_or_file}.yaml"
    if "/" not in name_or_file and preset.is_file():
        return preset
    if Path(name_or_file).is_file():
        return Path(name_or_file)
    raise ConfigError(
        f"--config {name_or_file}: neither a file nor a preset. Presets: {', '.join(preset_names(kind))}."
    )


def _read_yaml(path: Path) -> dict[str, Any]:
    try:
        data = _parse_yaml(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError, RecursionError) as error:
        raise ConfigError(f"{path}: cannot be read as YAML ({' '.join(str(error).split())}).") from None
    if data is None:
        return {}
    if not isinstance(data, dict):
        raise ConfigError(f"{path}: a mapping of sections is needed, but it holds a {type(data).__name__}.")
    return data


def _parse_yaml(text: str) -> Any:
    """YAML without anchors: a few lines of them can name billions of values. `ValueError` too, for a bad date."""
    for event in yaml.parse(text, yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent):
            raise ValueError(f"aliases (*{event.anchor}) are not understood; write the values out")
    return yaml.safe_load(text)


def _parse_setting(setting: str) -> dict[str, Any]:
    key, equals, text = setting.partition("=")
    if not equals or not key:
        raise ConfigError(f"--set {setting}: the form is section.key=value, e.g. training.steps=500.")
    try:
        value = _parse_yaml(text)
    except (ValueError, yaml.YAMLError, RecursionError):
        raise ConfigError(f"--set {setting}: the value {reprlib.repr(text)} is no YAML.") from None
    for part in reversed(key.split(".")):
        value = {part: value}
    return value  # type: ignore[no-any-return]  # a dict after the first of at least one part


def _explain(model: type[Section], problem: dict[str, Any]) -> str:
    place = ".".join(str(part) for part in problem["loc"])
    if problem["type"] != "extra_forbidden":
        return f"{place}: {problem['msg']} (given: {reprlib.repr(problem['input'])})"
    known = sorted(_known_keys(model))
    close = difflib.get_close_matches(place, known, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]}?" if close else f"known: {', '.join(known)}"
    return f"{place}: no such setting; {hint}"


def _known_keys(model: type[BaseModel], prefix: str = "") -> Iterable[str]:
    for name, field in model.model_fields.items():
        yield f"{prefix}{name}"
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _known_keys(field.annotation, f"{prefix}{name}.")
