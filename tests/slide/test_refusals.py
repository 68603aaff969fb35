"""Why a file cannot be opened, in words that say what to do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tifffile

from tests.data_paths import case_input, real_data
from wsi_haloae.errors import MissingMppError, SlideError
from wsi_haloae.slide.readers import open_slide

PIXELS = np.random.default_rng(0).integers(0, 256, (256, 512, 3), dtype=np.uint8)
SCENES = "http://www.leica-microsystems.com/scn/2010/10/01"


def told(path: Path) -> str:
    with pytest.raises(SlideError) as caught:
        open_slide(path)
    assert str(path) in str(caught.value)
    return str(caught.value)


def write(path: Path, **options: object) -> Path:
    usual = {"photometric": "rgb", "tile": (128, 128), "metadata": None}
    tifffile.imwrite(path, PIXELS, **{**usual, **options})
    return path


@pytest.mark.parametrize(("name", "words"), [("jpeg2000", "JPEG 2000"), ("webp", "WebP"), ("jpegxl", "JPEG XL")])
def test_a_compression_is_named_with_a_way_out(name: str, words: str) -> None:
    error = told(case_input(f"10-unsupported-compression-called-damaged/{name}.tif"))
    assert f"compressed with {words}" in error
    assert "vips" in error
    assert "is damaged" not in error


def test_an_mrxs_file_needs_its_folder_and_what_is_in_it(tmp_path: Path) -> None:
    path = tmp_path / "case1.mrxs"
    path.write_bytes(case_input("16-mrxs-without-its-folder/case1.mrxs").read_bytes())
    assert "the folder case1/ is missing" in told(path)
    (tmp_path / "case1").mkdir()
    assert "case1/Slidedat.ini is missing" in told(path)
    (tmp_path / "case1" / "Slidedat.ini").write_text("[DATAFILE]\nFILE_COUNT = 1\nFILE_0 = Data0000.dat\n")
    assert "case1/Data0000.dat is missing" in told(path)


def test_a_vms_file_needs_its_pictures(tmp_path: Path) -> None:
    path = tmp_path / "slide.vms"
    path.write_text("[Virtual Microscope Specimen]\nImageFile=slide.jpg\nMapFile=map.jpg\nNoLayers=1\n")
    assert "slide.jpg is missing" in told(path)


@pytest.mark.parametrize("kept", [0.02, 0.5])
@pytest.mark.parametrize("name", ["cmu-1-small-region.svs", "liver-sarcoma.tiff"])
def test_a_truncated_file_is_told(name: str, kept: float, tmp_path: Path) -> None:
    whole = real_data(f"wsi/{name}").read_bytes()
    path = tmp_path / name
    path.write_bytes(whole[: int(kept * len(whole))])
    assert "truncated" in told(path)


def test_an_empty_file_is_told(tmp_path: Path) -> None:
    (tmp_path / "slide.svs").write_bytes(b"")
    assert "the file is empty" in told(tmp_path / "slide.svs")


def test_strips_are_told(tmp_path: Path) -> None:
    assert "strips" in told(write(tmp_path / "strips.tif", tile=None))


def test_scenes_of_different_resolution_are_told(tmp_path: Path) -> None:
    path = tmp_path / "slide.scn"
    image = (
        '<image name="{ifd}"><pixels sizeX="512" sizeY="256"><dimension sizeX="512" sizeY="256" r="0" ifd="{ifd}"/>'
        '</pixels><view sizeX="{size}" sizeY="{half}" offsetX="0" offsetY="0"/><scanSettings><objectiveSettings>'
        "<objective>{power}</objective></objectiveSettings><illuminationSettings><illuminationSource>brightfield"
        "</illuminationSource></illuminationSettings></scanSettings></image>"
    )
    scenes = [(1_000_000, 0.6), (128_000, 20), (256_000, 10)]  # the first is the overview
    images = "".join(
        image.format(ifd=number, size=size, half=size // 2, power=power) for number, (size, power) in enumerate(scenes)
    )
    document = (
        f'<?xml version="1.0"?><scn xmlns="{SCENES}"><collection sizeX="1000000" sizeY="500000">{images}</collection>'
        "</scn>"
    )
    with tifffile.TiffWriter(path, bigtiff=True) as tiff:
        for number in range(len(scenes)):
            described = {"description": document} if number == 0 else {}
            tiff.write(PIXELS, photometric="rgb", tile=(128, 128), compression="jpeg", metadata=None, **described)
    error = told(path)
    assert "scenes" in error
    assert "different resolutions" in error
    assert "QuPath" in error


@pytest.mark.parametrize("dpi", [72, 96, 150, 300])
@pytest.mark.parametrize("unit", ["INCH", "CENTIMETER"])
def test_a_default_of_image_software_is_no_pixel_size(dpi: int, unit: str, tmp_path: Path) -> None:
    per_unit = dpi if unit == "INCH" else dpi / 2.54
    path = write(tmp_path / "slide.tif", compression="jpeg", resolution=(per_unit, per_unit), resolutionunit=unit)
    with pytest.raises(MissingMppError, match=f"{dpi} dpi.*--mpp.*--override-mpp"):
        open_slide(path).properties.known_mpp()
    assert open_slide(path, mpp=0.5).properties.known_mpp() == (0.5, 0.5)
    assert open_slide(path, mpp=0.5, override_mpp=True).properties.known_mpp() == (0.5, 0.5)


@pytest.mark.parametrize(("mpp", "believed"), [(0.05, False), (0.079, False), (0.081, True), (19, True)])
def test_a_pixel_size_that_no_scanner_has_is_not_believed(mpp: float, believed: bool, tmp_path: Path) -> None:
    resolution = {"resolution": (1e4 / mpp, 1e4 / mpp), "resolutionunit": "CENTIMETER"}
    properties = open_slide(write(tmp_path / "slide.tif", compression="jpeg", **resolution)).properties
    assert (properties.mpp_doubt is None) == believed
    if believed:
        assert properties.known_mpp()[0] == pytest.approx(mpp, rel=1e-3)
    else:
        with pytest.raises(MissingMppError, match="per pixel, but slides are scanned at"):
            properties.known_mpp()


def test_a_vendors_own_statement_is_believed_beside_72_dpi(tmp_path: Path) -> None:
    described = "Aperio Image Library v1\r\n512x256 [0,0 512x256] (128x128) JPEG/RGB Q=70|AppMag = 20|MPP = 0.4990"
    options = {"compression": "jpeg", "resolution": (72, 72), "resolutionunit": "INCH", "description": described}
    assert open_slide(write(tmp_path / "slide.svs", **options)).properties.known_mpp() == (0.499, 0.499)
