"""Standardisation, SSIM, weighting, losses, anomaly maps and preprocessing against slow references."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage
from skimage.metrics import structural_similarity
from torch.nn import functional as F

from tests.model.tiny import tiny_config, tiny_model
from wsi_haloae.config import LossConfig
from wsi_haloae.features import preprocessing
from wsi_haloae.model import anomaly_map
from wsi_haloae.model.losses import all_losses, classification_loss, feature_loss, image_loss
from wsi_haloae.model.ssim import _gaussian_band, ssim, ssim_map
from wsi_haloae.model.standardise import Standardise
from wsi_haloae.model.weighting import ews_weights, schedule_time

# Standardise


def test_deviations_have_a_floor_per_layer() -> None:
    standardise = Standardise(6)
    std = torch.tensor([0.0, 1.0, 2.0, 1.0, 100.0, 200.0])
    standardise.fit(torch.arange(6.0), std, (3, 3), 0.1)
    assert standardise.std.tolist() == pytest.approx([0.1, 1.0, 2.0, 10.0, 100.0, 200.0])
    x = torch.randn(2, 6, 3, 3)
    expected = (x - torch.arange(6.0).view(1, 6, 1, 1)) / standardise.std.view(1, 6, 1, 1)
    torch.testing.assert_close(standardise(x), expected)


def test_a_layer_that_is_dead_throughout_stays_finite() -> None:
    standardise = Standardise(2)
    standardise.fit(torch.zeros(2), torch.zeros(2), (2,), 0.1)
    assert bool(torch.isfinite(standardise(torch.ones(1, 2, 1, 1))).all())


def test_before_it_is_fitted_it_changes_nothing() -> None:
    x = torch.randn(1, 3, 2, 2)
    assert torch.equal(Standardise(3)(x), x)


# SSIM


@pytest.mark.parametrize(("height", "width"), [(11, 11), (16, 23)])
def test_ssim_equals_skimage_in_whole_windows(height: int, width: int) -> None:
    torch.manual_seed(0)
    x = torch.rand(2, 3, height, width, dtype=torch.float64)
    y = (x + 0.3 * torch.rand_like(x)) * 2
    ranges = torch.tensor([1.0, 2.5, 0.2], dtype=torch.float64)
    found = ssim(x, y, ranges)
    for image in range(2):
        for channel in range(3):
            _, full = structural_similarity(
                x[image, channel].numpy(),
                y[image, channel].numpy(),
                data_range=float(ranges[channel]),
                gaussian_weights=True,
                sigma=1.5,
                win_size=11,
                use_sample_covariance=False,
                full=True,
            )
            assert float(found[image, channel]) == pytest.approx(full[5:-5, 5:-5].mean(), abs=1e-9)


def test_zero_padded_ssim_equals_convolutions() -> None:
    torch.manual_seed(1)
    x, y = torch.randn(2, 3, 7, 9, dtype=torch.float64), torch.randn(2, 3, 7, 9, dtype=torch.float64)
    taps = torch.exp(-(torch.arange(-5.0, 6.0, dtype=torch.float64) ** 2) / (2 * 1.5**2))
    kernel = torch.outer(taps, taps)
    kernel = (kernel / kernel.sum()).expand(3, 1, 11, 11)

    def blur(z: torch.Tensor) -> torch.Tensor:
        return F.conv2d(z, kernel, padding=5, groups=3)

    mx, my = blur(x), blur(y)
    vx, vy, cov = blur(x * x) - mx**2, blur(y * y) - my**2, blur(x * y) - mx * my
    expected = (2 * mx * my + 1e-4) * (2 * cov + 9e-4) / ((mx**2 + my**2 + 1e-4) * (vx + vy + 9e-4))
    torch.testing.assert_close(ssim(x, y, None, edge="zeros"), expected.mean(dim=(-2, -1)), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("size", [(11, 13), (16, 12)])
def test_ssim_over_reflected_edges_equals_padding_first(size: tuple[int, int]) -> None:
    torch.manual_seed(2)
    x, y = torch.randn(2, 3, *size, dtype=torch.float64), torch.randn(2, 3, *size, dtype=torch.float64)
    padded = (F.pad(one, (5, 5, 5, 5), mode="reflect") for one in (x, y))
    ranges = torch.tensor([1.0, 2.0, 5.0], dtype=torch.float64)
    torch.testing.assert_close(ssim_map(x, y, ranges, edge="reflect"), ssim_map(*padded, ranges), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("layout", [torch.contiguous_format, torch.channels_last])
def test_ssim_in_pieces_is_the_same_bit_for_bit(layout: torch.memory_format) -> None:
    torch.manual_seed(3)
    channels = 2 * anomaly_map.CHANNELS_AT_ONCE + 5
    x, y = (torch.randn(3, channels, 16, 16).contiguous(memory_format=layout) for _ in range(2))
    ranges = 1 + torch.rand(channels)
    found = anomaly_map.dissimilarity_map(x, y, ranges)
    assert torch.equal(found, 1 - ssim_map(x, y, ranges, edge="reflect"))
    assert torch.equal(anomaly_map.dissimilarity_map(x, y, None), 1 - ssim_map(x, y, None, edge="reflect"))
    last = anomaly_map.dissimilarity_map(x[:, -40:], y[:, -40:], ranges[-40:])
    assert torch.equal(last.mean(dim=1), found[:, -40:].mean(dim=1)), "of one layer, as of that layer among all"


def test_ssim_of_a_map_with_itself_is_one() -> None:
    x = torch.rand(1, 2, 12, 12)
    torch.testing.assert_close(ssim(x, x, torch.tensor([1.0, 3.0])), torch.ones(1, 2))


def test_ssim_can_train_after_it_was_first_used_for_inference() -> None:
    _gaussian_band.cache_clear()
    x, y = torch.rand(1, 1, 12, 12), torch.rand(1, 1, 12, 12, requires_grad=True)
    with torch.inference_mode():
        ssim(x, x, None)
    ssim(x, y, None).sum().backward()
    assert float(y.grad.abs().sum()) > 0


# Evolving weights


@pytest.mark.parametrize(
    ("schedule", "t", "expected"),
    [
        ("paper", 0, (0.997, 0.003, 0.000)),
        ("paper", 50, (0.935, 0.062, 0.003)),
        ("paper", 100, (0.441, 0.481, 0.078)),
        ("paper", 250, (0.112, 0.335, 0.554)),
        ("released", 0, (0.971, 0.028, 0.001)),
        ("released", 50, (0.681, 0.304, 0.015)),
        ("released", 100, (0.274, 0.625, 0.102)),
        ("released", 250, (0.112, 0.335, 0.554)),
    ],
)
def test_weights_are_those_of_the_specification(schedule: str, t: float, expected: tuple[float, ...]) -> None:
    weights = ews_weights(t, schedule)
    assert (round(weights.cls, 3), round(weights.fm, 3), round(weights.im, 3)) == expected


@given(st.floats(0, 260), st.sampled_from(["paper", "released"]))
def test_weights_sum_to_one(t: float, schedule: str) -> None:
    weights = ews_weights(t, schedule)
    assert weights.cls + weights.fm + weights.im == pytest.approx(1)
    assert min(weights.cls, weights.fm, weights.im) > -1e-6


@given(st.integers(2, 100_000))
def test_by_progress_a_run_of_any_length_sweeps_the_whole_schedule(steps: int) -> None:
    times = [schedule_time(step, steps, 7, "progress") for step in (0, steps - 1)]
    assert times == pytest.approx([0.0, 250.0])


def test_a_run_of_200_steps_ends_at_the_schedules_end() -> None:
    weights = ews_weights(schedule_time(199, 200, 50, "progress"))
    assert [round(value, 3) for value in (weights.cls, weights.fm, weights.im)] == [0.112, 0.335, 0.554]


def test_by_epoch_time_is_the_number_of_whole_epochs() -> None:
    assert [schedule_time(step, 10_000, 750, "epoch") for step in (0, 749, 750, 1500)] == [0.0, 0.0, 1.0, 2.0]


@pytest.mark.parametrize("kept", [(True, False, True), (False, True, False), (True, True, True)])
def test_weights_of_the_terms_that_are_left_sum_to_one_and_keep_their_ratio(kept: tuple[bool, bool, bool]) -> None:
    whole = ews_weights(100.0)
    left = whole.among(cls=kept[0], fm=kept[1], im=kept[2])
    values, before = (left.cls, left.fm, left.im), (whole.cls, whole.fm, whole.im)
    assert sum(values) == pytest.approx(1)
    share = sum(weight for weight, keep in zip(before, kept, strict=True) if keep)
    for value, weight, keep in zip(values, before, kept, strict=True):
        assert value == pytest.approx(weight / share if keep else 0)


def test_a_run_of_one_step_has_a_time() -> None:
    assert schedule_time(0, 1, 1, "progress") == 0.0


# Losses


class Stub:
    """A model that says what it is told: all that losses ask for."""

    def __init__(self) -> None:
        torch.manual_seed(4)
        self.config = tiny_config().model
        self.backbone = tiny_model().backbone
        self.given = torch.randn(6, 5, 12, 12)
        self.reconstruction = torch.randn(6, 5, 12, 12)
        self.image = torch.randn(6, 3, 16, 16)
        self.logits = torch.randn(6, 1)
        self.decoded = 0

    def features(self, images: torch.Tensor) -> torch.Tensor:
        return self.given

    def reconstruct(self, features: torch.Tensor) -> torch.Tensor:
        return self.reconstruction

    def decode(self, reconstruction: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        self.decoded += 1
        return self.image, self.logits


DAMAGED = torch.tensor([False, True, True] * 2)


@pytest.mark.parametrize("form", ["scaled", "released"])
def test_reconstruction_losses_see_the_originals_alone(form: str) -> None:
    images, ranges, model, config = torch.randn(6, 3, 16, 16), torch.ones(5), Stub(), LossConfig(ssim=form)
    before = all_losses(model, images, DAMAGED, ranges, config)
    model.reconstruction[DAMAGED] += 10
    model.image[DAMAGED] += 10
    images[DAMAGED] -= 10
    after = all_losses(model, images, DAMAGED, ranges, config)
    assert (after.fm, after.im) == (before.fm, before.im)
    model.reconstruction[0] += 1
    model.image[0] += 1
    changed = all_losses(model, images, DAMAGED, ranges, config)
    assert changed.fm != before.fm
    assert changed.im != before.im


def test_negatives_ask_for_the_originals_features_where_copies_were_given() -> None:
    images, ranges, model = torch.randn(6, 3, 16, 16), torch.ones(5), Stub()
    config = LossConfig(cls=False, im=False, negatives=True)
    expected = 0.0
    for view, original in enumerate((0, 0, 0, 3, 3, 3)):
        weight = 1 / 8 if view in (1, 2, 4, 5) else 1 / 4
        pair = model.given[original][None], model.reconstruction[view][None]
        expected += weight * float(feature_loss(model, *pair, ranges, config))
    assert float(all_losses(model, images, DAMAGED, ranges, config).fm) == pytest.approx(expected, rel=1e-5)
    model.given[DAMAGED] += 10
    assert float(all_losses(model, images, DAMAGED, ranges, config).fm) == pytest.approx(expected, rel=1e-5)


def test_a_term_that_is_left_out_is_none_and_its_blocks_do_not_run() -> None:
    images, ranges, model = torch.randn(6, 3, 16, 16), torch.ones(5), Stub()
    whole = all_losses(model, images, DAMAGED, ranges, LossConfig())
    features_alone = all_losses(model, images, DAMAGED, ranges, LossConfig(cls=False, im=False))
    assert (features_alone.cls, features_alone.im) == (None, None)
    assert features_alone.fm == whole.fm
    assert model.decoded == 1
    without = all_losses(model, images, DAMAGED, ranges, LossConfig(fm=False))
    assert without.fm is None
    assert (without.cls, without.im) == (whole.cls, whole.im)


def test_feature_loss_is_squared_error_and_dissimilarity() -> None:
    model, ranges = Stub(), torch.rand(5) + 1
    x, y = model.given, model.reconstruction
    mse = float(((x - y) ** 2).mean())
    scaled = 1 - float(ssim(x, y, ranges).mean())

    def loss(**settings: str) -> float:
        return float(feature_loss(model, x, y, ranges, LossConfig.model_validate(settings)))

    assert loss() == pytest.approx(mse + scaled, rel=1e-5)
    assert loss(fm_terms="mse") == pytest.approx(mse, rel=1e-5)
    assert loss(fm_terms="ssim") == pytest.approx(scaled, rel=1e-5)
    released = mse + 1 - float(ssim(x, y, None, edge="zeros").mean())
    assert loss(ssim="released") == pytest.approx(released, rel=1e-5)


def test_image_loss_compares_structure_in_the_units_of_the_form() -> None:
    x, y = torch.randn(2, 3, 16, 16), torch.randn(2, 3, 16, 16)
    mse = float(((x - y) ** 2).mean())
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    scaled = mse + 1 - float(ssim(x * std + mean, y * std + mean, torch.ones(3)).mean())
    assert float(image_loss(x, y, LossConfig())) == pytest.approx(scaled, rel=1e-5)
    released = mse + 1 - float(ssim(x, y, None, edge="zeros").mean())
    assert float(image_loss(x, y, LossConfig(ssim="released"))) == pytest.approx(released, rel=1e-5)


def test_one_logit_gives_class_balanced_cross_entropy() -> None:
    logits = torch.tensor([0.3, -1.0, 2.0, 0.1, -0.4, 1.5])
    p = [1 / (1 + math.exp(-x)) for x in logits.tolist()]
    damaged = -sum(math.log(p[i]) for i in (1, 2, 4, 5)) / 4
    original = -sum(math.log(1 - p[i]) for i in (0, 3)) / 2
    assert float(classification_loss(logits[:, None], DAMAGED)) == pytest.approx((damaged + original) / 2)


def test_two_logits_give_what_their_difference_gives() -> None:
    logits = torch.randn(6, 2)
    difference = (logits[:, 1] - logits[:, 0])[:, None]
    two, one = classification_loss(logits, DAMAGED), classification_loss(difference, DAMAGED)
    assert float(two) == pytest.approx(float(one), rel=1e-5)


# Anomaly maps


def test_residuals_are_means_over_channels_whole_and_by_layer() -> None:
    x, y = torch.randn(2, 7, 4, 4), torch.randn(2, 7, 4, 4)
    squared = ((x - y) ** 2).numpy()
    np.testing.assert_allclose(anomaly_map.residual_map(x, y).numpy(), squared.mean(axis=1), rtol=1e-5)
    layers = anomaly_map.by_layer((x - y).square(), (2, 5)).numpy()
    np.testing.assert_allclose(layers[:, 0], squared[:, :2].mean(axis=1), rtol=1e-5)
    np.testing.assert_allclose(layers[:, 1], squared[:, 2:].mean(axis=1), rtol=1e-5)


def test_a_cell_that_is_too_easy_deviates_as_well() -> None:
    found = anomaly_map.normalise_map(torch.tensor([[[1.0, 5.0]]]), torch.tensor([[3.0, 3.0]]), "absolute")
    assert found.tolist() == [[[2.0, 2.0]]]


def test_a_signed_deviation_keeps_its_sign_and_none_changes_nothing() -> None:
    residual, mean_map = torch.tensor([[[1.0, 5.0]]]), torch.tensor([[3.0, 3.0]])
    assert anomaly_map.normalise_map(residual, mean_map, "signed").tolist() == [[[-2.0, 2.0]]]
    assert anomaly_map.normalise_map(residual, mean_map, "none").tolist() == [[[1.0, 5.0]]]


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 9), st.integers(2, 9), st.integers(0, 99))
def test_smoothing_equals_scipy(height: int, width: int, seed: int) -> None:
    maps = np.random.default_rng(seed).random((2, height, width))
    expected = np.stack(
        [
            # scipy's "mirror" does not repeat the border, as torch's "reflect".
            ndimage.convolve1d(
                ndimage.convolve1d(m, [0.25, 0.5, 0.25], axis=0, mode="mirror"),
                [0.25, 0.5, 0.25],
                axis=1,
                mode="mirror",
            )
            for m in maps
        ]
    )
    np.testing.assert_allclose(anomaly_map.smooth(torch.from_numpy(maps)).numpy(), expected, rtol=0, atol=1e-12)


def test_upsampling_keeps_cell_centres_where_they_are() -> None:
    maps = np.random.default_rng(0).random((1, 5, 5))
    size, factor = 20, 4
    centres = np.clip((np.arange(size) + 0.5) / factor - 0.5, 0, 4)
    expected = ndimage.map_coordinates(maps[0], np.meshgrid(centres, centres, indexing="ij"), order=1)
    found = anomaly_map.upsample(torch.from_numpy(maps), size).numpy()[0]
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-12)


# Preprocessing


def test_tiles_become_the_unit_interval_with_channels_first() -> None:
    tiles = torch.randint(0, 256, (2, 4, 4, 3), dtype=torch.uint8)
    unit = preprocessing.to_unit(tiles)
    np.testing.assert_array_equal(unit.numpy(), tiles.numpy().transpose(0, 3, 1, 2).astype(np.float32) / 255)


@pytest.mark.parametrize("downsample", [1, 2, 3, 4])
def test_downsampling_averages_areas_exactly(downsample: int) -> None:
    unit = torch.rand(2, 3, 24, 24)
    side = 24 // downsample
    averaged = unit.double().numpy().reshape(2, 3, side, downsample, side, downsample).mean(axis=(3, 5))
    mean, std = (np.array(v).reshape(1, 3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    found = preprocessing.normalise(unit, downsample)
    np.testing.assert_allclose(found.numpy(), (averaged - mean) / std, rtol=0, atol=1e-5)
    np.testing.assert_allclose(preprocessing.denormalise(found).numpy(), averaged, rtol=0, atol=1e-6)


def test_white_is_glass_and_pale_pink_is_tissue() -> None:
    unit = torch.ones(1, 3, 8, 8)
    unit[:, :, :4, :4] = torch.tensor([240, 242, 241]).view(3, 1, 1) / 255  # scanner white
    unit[:, :, 4:, 4:] = torch.tensor([245, 210, 228]).view(3, 1, 1) / 255  # pale eosin
    assert preprocessing.tissue_cells(unit, 2, 0.86).tolist() == [[[False, False], [False, True]]]


def test_a_cell_is_judged_by_its_average_and_the_level_itself_is_glass() -> None:
    unit = torch.ones(1, 3, 4, 4)
    unit[:, 1, :2, 0] = 0.5  # half of the first cell: mean 0.75
    unit[:, 0, 2:, 2:] = 0.875
    assert preprocessing.tissue_cells(unit, 2, 0.875).tolist() == [[[True, False], [False, False]]]
