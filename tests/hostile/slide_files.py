"""Slides and their colour profiles for `readers`: real files of each kind, and how they are read."""

from __future__ import annotations

import shutil
from contextlib import closing
from pathlib import Path

import numpy as np

from tests.data_paths import DATA
from tests.slide.profiles import not_for_rgb, swapped_and_bright


def make_slides(folder: Path) -> None:
    import tifffile

    pixels = np.random.default_rng(0).integers(0, 255, (256, 256, 3), dtype=np.uint8)
    aperio = "Aperio Image Library v1.0\n256x256 [0,0 256x256] (64x64) JPEG/RGB Q=70|AppMag = 20|MPP = 0.5"
    for name, words, compression, big in (
        ("plain.tif", None, "jpeg", False),
        ("deflate.tif", None, "zlib", False),
        ("big.tif", None, "jpeg", True),
        ("aperio.svs", aperio, "jpeg", False),
    ):
        with tifffile.TiffWriter(folder / name, bigtiff=big) as tiff:
            for level in (pixels, pixels[::2, ::2]):
                tiff.write(
                    level, tile=(64, 64), photometric="rgb", compression=compression, description=words,
                    resolution=(20000, 20000), resolutionunit="CENTIMETER", metadata=None,
                )  # fmt: skip
    tifffile.imwrite(
        folder / "jpeg2000.svs", pixels, tile=(64, 64), photometric="rgb", compression="aperio_jp2000_rgb",
        description=aperio.replace("JPEG/RGB", "J2K/KDU"), metadata=None,
    )  # fmt: skip
    with tifffile.TiffWriter(folder / "levels.ome.tif", ome=True) as tiff:
        usual = {"tile": (64, 64), "photometric": "rgb", "compression": "jpeg"}
        tiff.write(pixels, subifds=2, metadata={"axes": "YXS", "PhysicalSizeX": 0.5, "PhysicalSizeY": 0.5}, **usual)
        for level in (pixels[::2, ::2], pixels[::4, ::4]):
            tiff.write(level, subfiletype=1, metadata=None, **usual)
    tifffile.imwrite(folder / "colours.tif", pixels, tile=(64, 64), photometric="rgb", iccprofile=swapped_and_bright())
    for real in ("osp_boxes.tiff", "osp_boxes_dicom/osp_boxes_0.dcm", "osp_boxes_dicom/osp_boxes_1.dcm"):
        if (DATA / "wsi" / real).exists():
            shutil.copyfile(DATA / "wsi" / real, folder / Path(real).name)


def read_slide(path: Path, _folder: Path) -> None:
    from wsi_haloae.slide.readers import open_slide
    from wsi_haloae.slide.thumbnail import read_thumbnail

    with closing(open_slide(path, mpp=0.5, override_mpp=True)) as slide:
        slide.read_region(0, 0, 0, 64, 64)
        read_thumbnail(slide, 8)
    with closing(open_slide(path, mpp=0.5, override_mpp=True, colour_profile="apply")) as slide:
        slide.read_region(0, 0, 0, 64, 64)


def make_profiles(folder: Path) -> None:
    (folder / "bright.icc").write_bytes(swapped_and_bright())
    (folder / "lab.icc").write_bytes(not_for_rgb())
    if (DATA / "wsi").exists():
        from wsi_haloae.slide.readers import open_slide

        with closing(open_slide(DATA / "wsi/tcga-cr-7395-01a-01-ts1.svs")) as slide:
            assert slide.properties.profile is not None
            (folder / "tcga.icc").write_bytes(slide.properties.profile.data)


def read_profile(path: Path, _folder: Path) -> None:
    from PIL import Image

    from wsi_haloae.slide.colour_profile import ColourProfile

    data = path.read_bytes()
    profile = ColourProfile(len(data), data)
    str(profile)
    profile.to_srgb(path.name).apply(Image.new("RGB", (64, 64)))
