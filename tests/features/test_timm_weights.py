"""Weights for features of timm: from a file with timm's keys, or from timm, or an error that names the way out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import huggingface_hub
import pytest
import timm
import torch
from safetensors.torch import save_file

from tests.features.timm_models import CNN, SMALL_PATCH, VIT, features_of
from wsi_haloae.config.encoders import ENCODERS
from wsi_haloae.errors import UsageError
from wsi_haloae.features.backbones import build_backbone, load_weights
from wsi_haloae.features.timm_features import with_layers

pytestmark = pytest.mark.usefixtures("no_network")
CREATE = timm.create_model


@pytest.mark.parametrize(("backbone", "arguments"), [(CNN, {}), (VIT, SMALL_PATCH)])
def test_a_file_with_timms_own_keys_is_taken_over(backbone: str, arguments: dict[str, Any], tmp_path: Path) -> None:
    torch.manual_seed(7)
    theirs = CREATE(backbone.removeprefix("timm:"), **arguments).state_dict()
    save_file(theirs, tmp_path / "w.safetensors")
    features, config = features_of(backbone, arguments=arguments, weights="pretrained")
    assert load_weights(features, config, tmp_path / "w.safetensors") == "w.safetensors"
    state = features.network.state_dict()
    assert state.keys() < theirs.keys()  # the classifier and what lies behind the last stage are cut off
    assert all(torch.equal(state[name], theirs[name]) for name in state)


def test_a_file_in_half_precision_becomes_single(tmp_path: Path) -> None:
    theirs = {name: tensor.half() if tensor.is_floating_point() else tensor for name, tensor in
              CREATE("test_resnet").state_dict().items()}  # fmt: skip
    save_file(theirs, tmp_path / "w.safetensors")
    features, config = features_of(CNN, weights="pretrained")
    load_weights(features, config, tmp_path / "w.safetensors")
    assert {tensor.dtype for tensor in features.state_dict().values()} == {torch.float32, torch.int64}


def test_weights_of_another_network_are_refused_by_the_first_that_is_missing(tmp_path: Path) -> None:
    save_file(CREATE("test_convnext").state_dict(), tmp_path / "w.safetensors")
    features, config = features_of(CNN, weights="pretrained")
    with pytest.raises(UsageError, match=r"w\.safetensors: .* do not fit timm:test_resnet: bn1\.bias.*timm's keys"):
        load_weights(features, config, tmp_path / "w.safetensors")


def test_published_weights_are_taken_over_and_named_with_their_licence(monkeypatch: pytest.MonkeyPatch) -> None:
    """Loaded into the whole network, classifier included: only so does timm refuse weights that lack something."""
    asked = {}

    def publish(name: str, **settings: Any) -> torch.nn.Module:
        asked.update(name=name, **settings)
        network = CREATE(name, **{**settings, "pretrained": False})
        for parameter in network.parameters():
            torch.nn.init.constant_(parameter, 0.25)
        return network

    features, config = features_of(CNN, weights="pretrained")
    monkeypatch.setattr(timm, "create_model", publish)
    source = load_weights(features, config, None)
    assert asked == {"name": "test_resnet", "pretrained": True}
    assert source == "timm timm/test_resnet.r160_in1k (licence: apache-2.0)"
    assert all(bool((parameter == 0.25).all()) for parameter in features.parameters())


@pytest.mark.parametrize("error", [OSError("no network"), RuntimeError("No pretrained weights exist")])
def test_weights_that_cannot_be_had_name_the_way_out(error: Exception, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_args: object, **_settings: object) -> None:
        raise error

    features, config = features_of(CNN, weights="pretrained")
    monkeypatch.setattr(timm, "create_model", fail)
    with pytest.raises(UsageError, match=rf"{CNN}: .*\({error}\).*--weights FILE\.safetensors"):
        load_weights(features, config, None)


def test_random_weights_are_said_to_be_random_and_exclude_a_file(tmp_path: Path) -> None:
    features, config = features_of(CNN)
    assert load_weights(features, config, None) == "random weights, fixed seed"
    with pytest.raises(UsageError, match=r"--weights .*model\.features\.weights is random"):
        load_weights(features, config, tmp_path / "w.safetensors")


def test_a_vgg_can_have_random_weights_too() -> None:
    from wsi_haloae.config import FeaturesConfig

    config = FeaturesConfig(backbone="vgg16", weights="random")
    one, other = build_backbone(config).state_dict(), build_backbone(config).state_dict()
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert load_weights(build_backbone(config), config, None) == "random weights, fixed seed"


SMALL = {"embed_dim": 48, "num_heads": 3, "depth": 2, "img_size": 64}
NAMES_OF_TRANSFORMERS = {
    "attn.proj": "attention.output.dense",
    "ls1.gamma": "layer_scale1.lambda1",
    "ls2.gamma": "layer_scale2.lambda1",
    "cls_token": "embeddings.cls_token",
    "pos_embed": "embeddings.position_embeddings",
    "patch_embed.proj": "embeddings.patch_embeddings.projection",
    "blocks.": "encoder.layer.",
}
BY_ENCODER = {
    "phikon-v2": {},
    "midnight": {"mlp.fc1": "mlp.weights_in", "mlp.fc2": "mlp.weights_out"},
    "phikon": {
        "norm1": "layernorm_before",
        "norm2": "layernorm_after",
        "mlp.fc1": "intermediate.dense",
        "mlp.fc2": "output.dense",
    },
}


def as_transformers_names_them(name: str, theirs: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    state = {"embeddings.mask_token": torch.zeros(1, 48)} if name != "phikon" else {}
    for key, tensor in theirs.items():
        new = key.replace("norm.", "layernorm.") if key.startswith("norm.") else key
        for ours, other in {**NAMES_OF_TRANSFORMERS, **BY_ENCODER[name]}.items():
            new = new.replace(ours, other)
        if ".attn.qkv." in new:
            parts = zip(("query", "key", "value"), tensor.chunk(3), strict=True)
            state |= {new.replace("attn.qkv", f"attention.attention.{part}"): each.clone() for part, each in parts}
        else:
            state[new] = tensor
    return state


def published_by_transformers(name: str, **arguments: Any) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """The weights of a small network of the encoder, named as by timm and as by transformers."""
    torch.manual_seed(7)
    encoder = ENCODERS[name]
    network = CREATE(encoder.architecture, **with_layers({**encoder.arguments, **SMALL, **arguments}))
    for parameter in network.parameters():
        torch.nn.init.normal_(parameter, std=0.1)
    return network.state_dict(), as_transformers_names_them(name, network.state_dict())


@pytest.mark.parametrize("name", BY_ENCODER)
def test_weights_of_transformers_are_translated(name: str, tmp_path: Path) -> None:
    theirs, state = published_by_transformers(name)
    assert not state.keys() & theirs.keys()
    save_file(state, tmp_path / "model.safetensors")
    features, config = features_of(name, arguments=SMALL, stages=[0, 1], weights="pretrained")
    licence = f"{ENCODERS[name].licence}; access: open"
    assert load_weights(features, config, tmp_path / "model.safetensors") == f"model.safetensors (licence: {licence})"
    found = features.network.state_dict()
    assert all(torch.equal(found[key], theirs[key]) for key in found)


def test_position_embeddings_for_another_image_size_are_interpolated(tmp_path: Path) -> None:
    theirs, state = published_by_transformers("midnight", img_size=112)
    save_file(state, tmp_path / "model.safetensors")
    features, config = features_of("midnight", arguments=SMALL, stages=[0, 1], weights="pretrained")
    load_weights(features, config, tmp_path / "model.safetensors")
    found = features.network.pos_embed
    assert theirs["pos_embed"].shape != found.shape
    assert torch.equal(found[:, 0], theirs["pos_embed"][:, 0])
    assert torch.allclose(found.mean(), theirs["pos_embed"].mean(), atol=0.02)


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"encoder.layer.1.attention.attention.key.bias": None}, r"encoder\.layer\.1\.attention\.attention\.key\.bias"),
        ({"encoder.layer.0.attention.attention.value.weight": torch.zeros(3, 3, 3)}, "wrong or missing"),
        ({"embeddings.position_embeddings": torch.zeros(7)}, "wrong or missing"),
        ({"embeddings.patch_embeddings.projection.weight": torch.zeros(5)}, "wrong or missing"),
        ({"layernorm.weight": None}, r"norm\.weight are missing"),
    ],
)
def test_broken_weights_of_transformers_are_refused(
    changed: dict[str, torch.Tensor | None], told: str, tmp_path: Path
) -> None:
    state = published_by_transformers("phikon-v2")[1] | changed
    save_file({key: tensor for key, tensor in state.items() if tensor is not None}, tmp_path / "model.safetensors")
    features, config = features_of("phikon-v2", arguments=SMALL, stages=[1], weights="pretrained")
    with pytest.raises(UsageError, match=rf"model\.safetensors.*do not fit .*phikon-v2.*{told}"):
        load_weights(features, config, tmp_path / "model.safetensors")


def test_an_encoder_of_transformers_is_downloaded_from_its_own_page(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs, state = published_by_transformers("phikon-v2")
    save_file(state, tmp_path / "model.safetensors")
    asked = []
    monkeypatch.setattr(
        huggingface_hub, "hf_hub_download", lambda *place: asked.append(place) or str(tmp_path / "model.safetensors")
    )
    features, config = features_of("phikon-v2", arguments=SMALL, stages=[1], weights="pretrained")
    assert load_weights(features, config, None) == "owkin/phikon-v2 (licence: Owkin's (non-commercial); access: open)"
    assert asked == [("owkin/phikon-v2", "model.safetensors")]
    assert torch.equal(features.network.norm.weight, theirs["norm.weight"])


def test_an_encoder_of_timm_is_asked_for_as_on_its_card_and_its_licence_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = {}

    def publish(name: str, **settings: Any) -> torch.nn.Module:
        asked.update(name=name, pretrained=settings.pop("pretrained"), **settings)
        return CREATE("vit_giant_patch14_224", **settings)

    features, config = features_of("uni2-h", arguments=SMALL, stages=[0, 1], weights="pretrained")
    monkeypatch.setattr(timm, "create_model", publish)
    assert load_weights(features, config, None).endswith(
        "(licence: CC-BY-NC-ND-4.0 (non-commercial); access: on request)"
    )
    assert asked == {
        "name": "hf-hub:MahmoodLab/UNI2-h",
        "pretrained": True,
        **with_layers({**ENCODERS["uni2-h"].arguments, **SMALL}),
    }


ON_REQUEST = r"on request: accept the terms on https://huggingface\.co/MahmoodLab/UNI2-h, then run 'hf auth login'"
KEYS_OF_TIMM = r"safetensors file with timm's keys \(--weights"
OPEN = r"without a request.*model\.safetensors from https://huggingface\.co/owkin/phikon-v2.*--weights"


@pytest.mark.parametrize(("name", "told"), [("uni2-h", f"{ON_REQUEST}.*{KEYS_OF_TIMM}"), ("phikon-v2", OPEN)])
def test_an_encoder_that_cannot_be_downloaded_says_how_to_get_access(
    name: str, told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_args: object, **_settings: object) -> None:
        raise OSError("401 Client Error")

    features, config = features_of(name, arguments=SMALL, stages=[1], weights="pretrained")
    monkeypatch.setattr(timm, "create_model", fail)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", fail)
    with pytest.raises(UsageError, match=rf"\(401 Client Error\).*{told}"):
        load_weights(features, config, None)
