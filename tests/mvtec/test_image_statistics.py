"""The no-model rows, and what they say about real images."""

from __future__ import annotations

import colorsys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from tests.data_paths import real_data
from wsi_haloae.errors import UsageError
from wsi_haloae.evaluation.metrics import auroc
from wsi_haloae.mvtec.image_reading import median_grey, read_square
from wsi_haloae.mvtec.image_set import ImageSet, find_mvtec
from wsi_haloae.mvtec.image_source import ImageSource
from wsi_haloae.mvtec.image_statistics import deciding_statistics, image_statistics

ANOMALOUS = np.array([False, False, True, True])


def files(folder: Path, *sizes: int) -> list[Path]:
    paths = [folder / f"{number}.png" for number in range(len(sizes))]
    for path, size in zip(paths, sizes, strict=True):
        path.write_bytes(b"x" * size)
    return paths


def test_each_statistic_is_what_it_says(tmp_path: Path) -> None:
    images = [np.full((4, 4, 3), 70, np.uint8), np.random.default_rng(0).integers(0, 256, (4, 4, 3), dtype=np.uint8)]
    images[0][:2] = 30
    found = image_statistics(files(tmp_path, 5, 900), iter(images))
    assert list(found) == ["brightness", "contrast", "saturation", "file size"]
    assert all(values.shape == (2,) and values.dtype == np.float64 for values in found.values())
    assert (found["brightness"][0], found["contrast"][0], found["saturation"][0]) == (50, 20, 0)
    levels = images[1] @ np.array([0.299, 0.587, 0.114])
    assert found["brightness"][1] == pytest.approx(levels.mean(), abs=0.5)
    assert found["contrast"][1] == pytest.approx(levels.std(), abs=0.5)
    expected = np.mean([colorsys.rgb_to_hsv(*pixel)[1] for pixel in images[1].reshape(-1, 3) / 255])
    assert found["saturation"][1] == pytest.approx(expected)
    assert found["file size"].tolist() == [5, 900]


def test_black_has_no_saturation(tmp_path: Path) -> None:
    assert image_statistics(files(tmp_path, 1), [np.zeros((2, 2, 3), np.uint8)])["saturation"].tolist() == [0]


def test_images_and_paths_must_be_as_many(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="shorter"):
        image_statistics(files(tmp_path, 1, 1), [np.zeros((2, 2, 3), np.uint8)])


def test_a_figure_near_0_decides_as_well_as_one_near_1() -> None:
    statistics = {
        "higher": np.array([1.0, 2.0, 3.0, 4.0]),
        "lower": np.array([4.0, 3.0, 2.0, 1.0]),
        "mixed": np.array([1.0, 3.0, 2.0, 4.0]),  # 0.75
        "opposed": np.array([4.0, 2.0, 3.0, 1.0]),  # 0.25
    }
    assert deciding_statistics(statistics, ANOMALOUS) == {"higher": 1.0, "lower": 0.0}
    assert deciding_statistics(statistics, ANOMALOUS, 0.75) == {
        "higher": 1.0,
        "lower": 0.0,
        "mixed": 0.75,
        "opposed": 0.25,
    }


def test_nothing_decides_where_a_class_is_absent() -> None:
    with pytest.raises(UsageError, match="both classes"):
        deciding_statistics({"brightness": np.arange(4.0)}, np.ones(4, np.bool_))


def pixels(source: ImageSource) -> Iterator[NDArray[np.uint8]]:
    return (source.read(number) for number in range(len(source.groups)))


def real_statistics(images: ImageSet, median: float | None) -> dict[str, NDArray[np.float64]]:
    paths = [image.path for image in images.test]
    return image_statistics(paths, pixels(ImageSource(images.test_folder, paths, 256, median)))


def training_median(images: ImageSet) -> float:
    return float(np.median([median_grey(read_square(path, 256)) for path in images.train]))


def test_brightness_decides_on_real_screw_until_each_image_is_divided_by_its_median() -> None:
    images = find_mvtec(real_data("mvtec/screw").parent, "screw")
    assert deciding_statistics(real_statistics(images, None), images.anomalous) == {
        "brightness": 1.0,
        "contrast": pytest.approx(0.956, abs=0.001),
    }
    target = training_median(images)
    assert target == 198
    levelled = real_statistics(images, target)
    assert deciding_statistics(levelled, images.anomalous) == {}
    assert auroc(levelled["brightness"], images.anomalous) == pytest.approx(0.406, abs=0.005)
    assert auroc(levelled["contrast"], images.anomalous) == pytest.approx(0.589, abs=0.005)


def test_no_statistic_decides_on_real_metal_nut() -> None:
    images = find_mvtec(real_data("mvtec/metal_nut").parent, "metal_nut")
    for median in (None, training_median(images)):
        assert deciding_statistics(real_statistics(images, median), images.anomalous) == {}
