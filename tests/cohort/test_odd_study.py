"""Some forty odd slides in one command: each ends as it should, and none stops another."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import tifffile
from numpy.typing import NDArray

from tests.cohort.conftest import Study, command, here
from tests.data_paths import case_input, real_data
from tests.hostile.bills import circular_tiff, deflated_zeros, tiled_tiff
from tests.tissue.stains import inked, recoloured
from wsi_haloae.cohort.table import read_cohort
from wsi_haloae.slide.readers import open_slide

Pixels = NDArray[np.uint8]
SIDE = 512
APERIO = "Aperio Image Library v1\r\n512x512 [0,0 512x512] (128x128) JPEG/RGB Q=70|AppMag = 20|MPP = 0.5"


@pytest.fixture(scope="module")
def pixels(study: Study) -> Pixels:
    with closing(open_slide(study.slides[0])) as slide:
        return np.ascontiguousarray(slide.read_region(256, 256, 0, SIDE, SIDE))


def write(path: Path, image: Pixels, mpp: float | None = 0.5, **options: object) -> None:
    usual = {"photometric": "rgb", "tile": (128, 128), "compression": "jpeg", "metadata": None}
    resolution = {} if mpp is None else {"resolution": (1e4 / mpp, 1e4 / mpp), "resolutionunit": "CENTIMETER"}
    tifffile.imwrite(path, image, **{**usual, **resolution, **options})


def ome(path: Path, image: Pixels, size: float, unit: str) -> None:
    facts = {f"PhysicalSize{axis}": size for axis in "XY"} | {f"PhysicalSize{axis}Unit": unit for axis in "XY"}
    with tifffile.TiffWriter(path, ome=True) as tiff:
        usual = {"photometric": "rgb", "tile": (128, 128), "compression": "zlib"}
        tiff.write(image, subifds=1, metadata={"axes": "YXS", **facts}, **usual)
        tiff.write(image[::2, ::2], subfiletype=1, metadata=None, **usual)


def padded(image: Pixels, place: tuple[slice, slice]) -> Pixels:
    changed = image.copy()
    changed[place] = 0
    return changed


def on_glass(image: Pixels) -> Pixels:
    return np.pad(image, ((128, 128), (128, 128), (0, 0)), constant_values=243)


def half_inked(image: Pixels) -> Pixels:
    where = np.zeros(image.shape[:2], np.bool_)
    where[:160] = True
    return inked(image, "blue", where)


GOOD: dict[str, Callable[[Path, Pixels], None]] = {
    "plain.tif": write,
    "deflated.tif": lambda path, image: write(path, image, compression="zlib"),
    "lzw.tif": lambda path, image: write(path, image, compression="lzw"),
    "big.tif": lambda path, image: write(path, image, bigtiff=True),
    "aperio, 72 dpi.svs": lambda path, image: write(
        path, image, None, description=APERIO, resolution=(72, 72), resolutionunit="INCH"
    ),
    "micrometres.ome.tif": lambda path, image: ome(path, image, 0.5, "µm"),
    "nanometres.ome.tif": lambda path, image: ome(path, image, 500, "nm"),
    "Präparat № 3.tif": write,
    "black on the left.tif": lambda path, image: write(path, padded(image, np.s_[:, :200])),
    "black above.tif": lambda path, image: write(path, padded(image, np.s_[:200])),
    "Alcian blue.tif": lambda path, image: write(path, recoloured(image, "Alcian blue")),
    "green.tif": lambda path, image: write(path, recoloured(image, "green")),
    "half under ink.tif": lambda path, image: write(path, half_inked(image)),
    "odd size.tif": lambda path, image: write(path, image[:477, :391]),
    "profile.tif": lambda path, image: write(path, image, extratags=[(34675, 7, 4, b"\0\1\2\3", True)]),
}
BAD: dict[str, tuple[Callable[[Path, Pixels], object], str]] = {
    "empty file.svs": (lambda path, _: path.write_bytes(b""), "the file is empty"),
    "text.svs": (lambda path, _: path.write_text("Dear colleague,\n"), "text.svs"),
    "strips.tif": (lambda path, image: write(path, image, tile=None), "strips"),
    "truncated.svs": (
        lambda path, _: path.write_bytes(real_data("wsi/cmu-1-small-region.svs").read_bytes()[:1_000_000]),
        "truncated",
    ),
    "72 dpi.tif": (
        lambda path, image: write(path, image, None, resolution=(72, 72), resolutionunit="INCH"),
        "72 dpi",
    ),
    "ten times too small.tif": (lambda path, image: write(path, image, 0.05), "--override-mpp"),
    "no pixel size.tif": (lambda path, image: write(path, image, None), "--mpp"),
    "too coarse.tif": (lambda path, image: write(path, image, 4), "higher resolution"),
    "inverted.tif": (lambda path, image: write(path, 255 - on_glass(image)), "background is dark"),
    "circle.tif": (lambda path, _: path.write_bytes(circular_tiff(3, 1)), "circle"),
    "huge tile.tif": (
        lambda path, _: path.write_bytes(tiled_tiff(45056, 45056, deflated_zeros(56 << 20))),
        "pixels in one stored tile",
    ),
    "no tile decodes.tif": (lambda path, _: path.write_bytes(tiled_tiff(2_000, 256, b"\1\2\3")), "decoded"),
    "slide.vms": (lambda path, _: path.write_text("[Virtual Microscope Specimen]\nImageFile=a.jpg\n"), "a.jpg"),
    "case1.mrxs": (
        lambda path, _: shutil.copyfile(case_input("16-mrxs-without-its-folder/case1.mrxs"), path),
        "the folder case1/",
    ),
    **{
        f"{name}.tif": (
            lambda path, _: shutil.copyfile(
                case_input(f"10-unsupported-compression-called-damaged/{path.stem}.tif"), path
            ),
            words,
        )
        for name, words in {"jpeg2000": "JPEG 2000", "webp": "WebP", "jpegxl": "JPEG XL"}.items()
    },
}
LEFT_OUT = ("._plain.tif", ".hidden.svs")
"""Files of a folder that nobody means."""
UNREADABLE = {"dead link": "a link to nothing", "pipe": "no plain file"}


@pytest.mark.slow
def test_a_study_of_odd_slides(study: Study, pixels: Pixels, tmp_path: Path) -> None:
    folder, output = tmp_path / "slides", tmp_path / "out"
    folder.mkdir()
    for name, make in GOOD.items():
        make(folder / name, pixels)
    for name, (make, _) in BAD.items():
        make(folder / name, pixels)
    write(folder / "glass.tif", np.full((SIDE, SIDE, 3), 243, np.uint8))
    shutil.copyfile(study.slides[1], tmp_path / "elsewhere.tif")
    (folder / "link.tif").symlink_to(tmp_path / "elsewhere.tif")
    for name in LEFT_OUT:
        write(folder / name, pixels)
    (folder / "dead link.tif").symlink_to(tmp_path / "gone.tif")
    os.mkfifo(folder / "pipe.tif")
    (folder / "folder.tif").mkdir()
    write(folder / os.fsdecode(b"Pr\xe4parat.tif"), pixels)
    (folder / "below").mkdir()
    write(folder / "below/deep.tif", pixels)

    done = command("score", folder, "-m", study.model, "-o", output, "--threads", "1", "-n", "1")
    told = done.stderr + done.stdout
    assert done.returncode == 1, told
    assert "Traceback" not in told
    rows = read_cohort(output)
    states = {name: row.state for name, row in rows.items()}
    expected = {
        **{Path(name).stem: "done" for name in (*GOOD, "link.tif")},
        **{Path(name).stem: "failed" for name in BAD},
        "glass": "empty",
    }
    assert {name: rows.get(name) for name, state in expected.items() if states.get(name) != state} == {}
    reasons = {Path(name).stem: words for name, (_, words) in BAD.items()}
    assert {name: rows[name].error for name, words in reasons.items() if words not in rows[name].error} == {}
    for page in ("cohort.html", "slides.csv"):
        assert "no tissue was found: the background is dark" in (output / page).read_text(encoding="utf-8")
    for name in (*GOOD, "link.tif"):
        assert (output / Path(name).stem / "report.html").is_file(), name
    for name, why in UNREADABLE.items():
        assert states[name] == "failed"
        assert f"{name}.tif ({why})" in told
    assert "Pr\\xe4parat.tif: no output folder" in told
    assert not any(Path(name).stem in states for name in LEFT_OUT)
    assert "deep" not in states

    state = here("status", output)
    assert f"{len(GOOD) + 1} done" in state.out
    times = {name: (output / Path(name).stem / "scores.zarr/zarr.json").stat().st_mtime_ns for name in GOOD}
    again = command("score", folder, "-m", study.model, "-o", output, "--threads", "1", "-n", "1", "-q")
    assert again.returncode == 1
    assert times == {name: (output / Path(name).stem / "scores.zarr/zarr.json").stat().st_mtime_ns for name in GOOD}
