"""``pipelines/mosaic_slide.py``: makes a mosaic slide, with its truth, from folders of tiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from wsi_haloae.atomic import remove_leftovers
from wsi_haloae.errors import OutputExistsError, UsageError
from wsi_haloae.images.files import list_images
from wsi_haloae.progress import Reporter
from wsi_haloae.synthetic.mosaic import TIFF_TILE, Mosaic, MosaicSettings, plan_mosaic
from wsi_haloae.synthetic.mosaic_tiles import TileFiles, count_uses
from wsi_haloae.synthetic.pyramid import JPEG, LOSSLESS
from wsi_haloae.tiles.sources import group_by_regex

COMPRESSIONS = {"lossless": LOSSLESS, "jpeg": JPEG}


@dataclass(frozen=True)
class MosaicSources:
    """Folders as given by the user, each ``FOLDER`` or ``CLASS=FOLDER``; how their files name a patient."""

    reference: Sequence[str]
    anomalous: Sequence[str]
    group_regex: str | None


def make_mosaic(
    sources: MosaicSources,
    output: Path,
    settings: MosaicSettings,
    compression: str,
    reporter: Reporter,
    *,
    overwrite: bool,
) -> str:
    """Write ``output``, ``<stem>.truth.geojson`` and ``<stem>.tiles.csv``; returns a summary.

    Raises `UsageError` for folders or settings that cannot be used, `OutputExistsError` for existing files.
    """
    if output.suffix.lower() not in {".tif", ".tiff"}:
        raise UsageError(f"{output}: a mosaic slide is a TIFF; give it a name such as mosaic.tif.")
    truth, table = output.with_suffix(".truth.geojson"), output.with_suffix(".tiles.csv")
    for path in (output, truth, table):
        if path.exists() and not overwrite:
            raise OutputExistsError(f"{path}: already exists. Choose another -o, or pass --overwrite to replace it.")
    mosaic = plan_mosaic(*_read_sources(sources, settings, reporter), settings)
    output.parent.mkdir(parents=True, exist_ok=True)
    remove_leftovers(output)
    rows = -(-mosaic.height // TIFF_TILE)
    with reporter.track(f"Writing {output.name}", rows, "rows of tiles") as advance:
        mosaic.write_slide(output, compression=COMPRESSIONS[compression], progress=lambda _done, _all: advance(1))
    mosaic.write_geojson(truth)
    mosaic.write_table(table)
    return "\n".join([*_summary(mosaic), f"Truth for QuPath: {truth}", f"Position and origin of each tile: {table}"])


def _read_sources(
    sources: MosaicSources, settings: MosaicSettings, reporter: Reporter
) -> tuple[TileFiles, list[TileFiles]]:
    if sources.group_regex is None:
        reporter.warn("each file counts as its own group. If several come from one patient, give --group-regex.")
    reference = _classes(sources.reference, sources.group_regex)
    anomalous = _classes(sources.anomalous, sources.group_regex)
    names = [tiles.class_name for tiles in reference]
    if len(names) != 1:
        raise UsageError(
            f"the reference must be one class, but its folders are named {', '.join(names)}. Give them the same class: "
            f"--reference {names[0]}=FOLDER for each of them."
        )
    if any(tiles.class_name == names[0] for tiles in anomalous):
        raise UsageError(f"{names[0]} is both reference and anomalous. Give one of them another name, as CLASS=FOLDER.")
    if settings.share > 0 and not anomalous:
        raise UsageError(
            f"a share of {settings.share:g} should be anomalous, but no anomalous folder was given. Pass --anomalous "
            "FOLDER, or --share 0 for a slide of reference tiles only."
        )
    return reference[0], anomalous


def _classes(folders: Sequence[str], group_regex: str | None) -> list[TileFiles]:
    """The files of each class; folders of the same class are combined, in the order in which classes come first."""
    found: dict[str, tuple[list[Path], list[str]]] = {}
    for given in folders:
        name, folder = _class_and_folder(given)
        images = list_images(folder)
        if not images:
            raise UsageError(f"{folder}: no image in this folder. Tiles as PNG, JPEG, TIFF, BMP or WebP are needed.")
        files, groups = found.setdefault(name, ([], []))
        files += images
        if group_regex is None:
            groups += [image.as_posix() for image in images]
        else:
            groups += group_by_regex(images, folder, group_regex)
    return [TileFiles(name, files, groups) for name, (files, groups) in found.items()]


def _class_and_folder(given: str) -> tuple[str, Path]:
    """``CLASS=FOLDER``, or a folder whose own name is the class."""
    if Path(given).is_dir():
        return Path(given).resolve().name, Path(given)
    name, _, folder = given.partition("=")
    if not name or not folder or not Path(folder).is_dir():
        raise UsageError(f"{given}: no such folder. Give FOLDER or CLASS=FOLDER.")
    return name, Path(folder)


def _summary(mosaic: Mosaic) -> list[str]:
    settings, sizes = mosaic.settings, mosaic.layout.sizes
    cells = f"{settings.columns} columns x {settings.rows} rows of {mosaic.tile_size} px"
    pixels = f"{mosaic.width:,} x {mosaic.height:,} pixels"
    lines = [f"{cells} ({pixels}), {len(mosaic.tiles):,} tiles of tissue"]
    for tiles in (mosaic.reference, *mosaic.anomalous):
        uses = count_uses(mosaic.tiles, tiles)
        often = f"{min(uses)}" if min(uses) == max(uses) else f"{min(uses)} or {max(uses)}"
        lines.append(f"  {tiles.class_name}: {sum(uses):,} tiles from {len(uses):,} files, each used {often} times")
    if sizes:
        lines.append(f"  anomalous regions of {', '.join(map(str, sizes))} tiles")
    return lines
