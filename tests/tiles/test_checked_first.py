"""What is wrong with the sources of a training is said before anything long begins, and with what to do."""

from __future__ import annotations

import re
import shlex
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from tests.annotations.written import Shape, box, qupath
from wsi_haloae.cli.tile import tile
from wsi_haloae.config import MVTEC_BASE, SLIDE_BASE, TissueConfig, changed_tissue, load_config
from wsi_haloae.errors import UsageError, WsiHaloaeError
from wsi_haloae.mvtec.image_set import ImageSet
from wsi_haloae.progress import Reporter
from wsi_haloae.runs.mvtec import MvtecOptions, run_mvtec
from wsi_haloae.runs.train_tiles import TrainOptions, train_tiles
from wsi_haloae.synthetic.slide import write_synthetic_slide
from wsi_haloae.tiles.reference import ReferenceOptions, ReferenceReader
from wsi_haloae.tiles.sources import ImageFolderSource
from wsi_haloae.tiles.tiling import TilingSettings

QUIET = Reporter(quiet=True)


@pytest.fixture(scope="module")
def slide(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("slide") / "a.tif"
    write_synthetic_slide(path, width=1024, height=1024, seed=3)
    return path


def outlined(folder: Path, *names: str) -> Path:
    return qupath(folder / "outlines.geojson", [Shape(name, box(0, 0, 512, 1024)) for name in names])


def refusal(folder: Path, *sources: Path, mpp_target: float | None = None, **options: object) -> str:
    asked = ReferenceOptions(TilingSettings(mpp_target, 64), num_workers=1, **options)  # type: ignore[arg-type]
    with pytest.raises(WsiHaloaeError) as refused:
        ReferenceReader(asked, TissueConfig(), folder / "tiles", QUIET).read([str(source) for source in sources])
    return str(refused.value)


def test_weights_are_looked_for_before_a_slide_is_tiled(slide: Path, tmp_path: Path) -> None:
    save_file({"features.0.weight": torch.zeros(1)}, tmp_path / "other.safetensors")
    reference = ReferenceOptions(
        TilingSettings(None, 128), annotations=outlined(tmp_path, "Tumor"), class_name="Tumor", num_workers=1
    )
    options = TrainOptions(reference, weights=tmp_path / "other.safetensors", device="cpu")
    config = load_config("haloae-small", base=SLIDE_BASE)
    with pytest.raises(UsageError, match="do not fit vgg19"):
        train_tiles([str(slide)], tmp_path / "model.safetensors", config, options, {}, QUIET)
    assert not (tmp_path / "model.training").exists()


def test_weights_are_looked_for_before_images_are_checked(tmp_path: Path) -> None:
    save_file({"features.0.weight": torch.zeros(1)}, tmp_path / "other.safetensors")
    options = MvtecOptions(weights=tmp_path / "other.safetensors", device="cpu")
    images = ImageSet("bottle", (tmp_path / "gone.png",), (), tmp_path, tmp_path, None)
    config = load_config("haloae-small", base=MVTEC_BASE)
    with pytest.raises(UsageError, match="do not fit vgg19"):
        run_mvtec([images], tmp_path / "out", config, options, {}, QUIET)


def test_a_missing_class_on_the_last_slide_is_told_before_tissue_is_looked_for(slide: Path, tmp_path: Path) -> None:
    other = Path(shutil.copy(slide, tmp_path / "b.tif"))
    qupath(tmp_path / "a.geojson", [Shape("Tumor", box(0, 0, 8, 8))])  # too small for any tile: known only with tissue
    qupath(tmp_path / "b.geojson", [Shape("Stroma", box(0, 0, 8, 8))])
    assert "no annotation of class 'Tumor'" in refusal(tmp_path, slide, other, annotations=tmp_path, class_name="Tumor")


def test_a_class_in_other_letters_is_proposed_and_a_broken_slide_can_be_left_out(slide: Path, tmp_path: Path) -> None:
    outlines = outlined(tmp_path, "Liver", "Hemangioma")
    told = refusal(tmp_path, slide, annotations=outlines, class_name="liver")
    assert "no annotation of class 'liver'; did you mean 'Liver'? Classes in this file: Hemangioma, Liver." in told
    broken = tmp_path / "broken.svs"
    broken.write_bytes(b"no slide")
    told = refusal(tmp_path, slide, broken, annotations=outlines, class_name="Liver")
    assert told.startswith(f"{broken}: ")
    assert "name those alone, or move this file to another folder." in told


def test_another_class_for_the_same_model_is_told_in_words_of_training(slide: Path, tmp_path: Path) -> None:
    drawn = [Shape("Tumor", box(0, 0, 512, 1024)), Shape("Stroma", box(512, 0, 1024, 1024))]
    outlines, folder = qupath(tmp_path / "outlines.geojson", drawn), tmp_path / "model.training/tiles"
    cut = ReferenceOptions(TilingSettings(None, 64), annotations=outlines, class_name="Tumor", num_workers=1)
    ReferenceReader(cut, TissueConfig(), folder, QUIET).read([str(slide)])
    told = refusal(folder.parent, slide, annotations=outlines, class_name="Stroma")
    assert told.startswith(f"{folder.parent}: an earlier training with the same -o used other tiles of {slide.name} ")
    assert "of another region or class" in told
    again = ReferenceReader(replace(cut, class_name="Stroma"), TissueConfig(), folder, QUIET, overwrite=True)
    assert len(again.read([str(slide)]).groups) > 0


def test_a_patient_that_nothing_names_is_told_before_tiling(slide: Path, tmp_path: Path) -> None:
    reader = ReferenceReader(ReferenceOptions(TilingSettings(None, 64)), TissueConfig(), tmp_path, QUIET)
    reader.require_strata([str(slide)], "slide")
    with pytest.raises(UsageError, match=rf"nothing names the patient of {slide}"):
        reader.require_strata([str(slide)], "patient")


def test_a_slide_without_annotations_is_told_both_ways(slide: Path, tmp_path: Path) -> None:
    told = refusal(tmp_path, slide)
    assert "add --annotations FILE --class NAME (" in told
    assert f"wsi-haloae tile {slide} --tile-size 64 -o tiles" in told


def test_the_advice_to_tile_a_slide_keeps_what_was_asked_for(slide: Path, tmp_path: Path) -> None:
    """In words that the command takes, also for a name that a shell would break in two."""
    twin = Path(shutil.copy(slide, tmp_path / "my slide.tif"))
    asked = ReferenceOptions(
        TilingSettings(0.5, 64, 32), override_mpp=0.25, colour_profile="apply", min_coverage=0.9, num_workers=1
    )
    tissue = TissueConfig(min_fraction=0.2, pen="keep")
    with pytest.raises(UsageError) as refused:
        ReferenceReader(asked, tissue, tmp_path / "tiles", QUIET).read([str(twin)])
    told = re.search(r"run '(wsi-haloae tile .*) -o tiles', then", str(refused.value))
    assert told is not None
    context = tile.make_context("tile", [*shlex.split(told[1])[2:], "-o", "tiles"])
    given = {key: context.params[key] for key in ("slides", "mpp", "override_mpp", "mpp_target", "tile_size", "stride")}
    assert given == {
        "slides": (str(twin),), "mpp": None, "override_mpp": 0.25, "mpp_target": 0.5, "tile_size": 64, "stride": 32,
    }  # fmt: skip
    assert context.params["colour_profile"] == "apply"
    assert changed_tissue(TissueConfig(), context.params["settings"]) == tissue


def test_the_advice_to_tile_a_slide_keeps_the_pixel_size_of_the_manifest(slide: Path, tmp_path: Path) -> None:
    (manifest := tmp_path / "study.csv").write_text(f"path,patient,mpp\n{slide},p,0.4\n")
    assert f"wsi-haloae tile {slide} --mpp 0.4 --tile-size 64 -o tiles" in refusal(tmp_path, slide, manifest=manifest)
    told = refusal(tmp_path, slide, manifest=manifest, override_mpp=0.3)
    assert f"wsi-haloae tile {slide} --override-mpp 0.3 --tile-size 64 -o tiles" in told


def test_annotations_without_a_class_list_the_classes_of_all_slides(slide: Path, tmp_path: Path) -> None:
    other = Path(shutil.copy(slide, tmp_path / "b.tif"))
    qupath(tmp_path / "a.geojson", [Shape("Tumor", box(0, 0, 8, 8)), Shape("", box(0, 0, 9, 9))])
    qupath(tmp_path / "b.geojson", [Shape("Stroma", box(0, 0, 8, 8)), Shape("Ignore*", box(0, 0, 9, 9))])
    told = refusal(tmp_path, slide, other, annotations=tmp_path)
    assert "Pass --class NAME. Classes: Stroma, Tumor." in told


def test_a_target_finer_than_the_slide_names_the_option_and_no_model(slide: Path, tmp_path: Path) -> None:
    told = refusal(tmp_path, slide, annotations=outlined(tmp_path, "T"), class_name="T", mpp_target=0.1)
    assert "pass --mpp-target 0.5 or more" in told
    assert "model" not in told


@pytest.mark.parametrize("mpp", [None, 0.5])
def test_a_whole_slide_among_images_is_recognised(slide: Path, tmp_path: Path, mpp: float | None) -> None:
    (tmp_path / "tiles").mkdir()
    Image.fromarray(np.zeros((64, 64, 3), np.uint8)).save(tmp_path / "tiles/0.tif")
    shutil.copy(slide, tmp_path / "tiles/b.tif")
    told = refusal(tmp_path, tmp_path / "tiles", mpp=mpp)
    assert "b.tif: this is a whole slide, not a tile." in told
    assert "wsi-haloae tile" in told
    with pytest.raises(UsageError, match="is a whole slide"):  # of evaluate-tiles
        ImageFolderSource.open(tmp_path / "tiles", 0.5)


def test_a_folder_of_slides_without_images_is_recognised(slide: Path, tmp_path: Path) -> None:
    (tmp_path / "slides").mkdir()
    shutil.copy(slide, tmp_path / "slides/b.svs")
    assert "b.svs: this is a whole slide" in refusal(tmp_path, tmp_path / "slides", mpp=0.5)


def test_one_image_that_is_no_square_does_not_contradict_itself(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    Image.fromarray(np.zeros((8, 9, 3), np.uint8)).save(tmp_path / "images/a.png")
    told = refusal(tmp_path, tmp_path / "images", mpp=0.5)
    assert "a.png: 9 x 8 pixels, but tiles must be squares of one size. " in told


def test_a_pattern_that_matches_nothing_says_what_is_there(slide: Path, tmp_path: Path) -> None:
    told = refusal(tmp_path, slide.parent / "*.svs")
    assert f"nothing matches this pattern. In {slide.parent} there are: 1 .tif." in told
    assert "there is no folder" in refusal(tmp_path, tmp_path / "nowhere" / "*.svs")
    assert "Leave the quotes out" in refusal(tmp_path, slide.parent / "*.tif")
