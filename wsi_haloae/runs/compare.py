"""``wsi-haloae compare``: two models, or two settings, on the same slides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from wsi_haloae.atomic import read_own, remove
from wsi_haloae.errors import UsageError, WsiHaloaeError
from wsi_haloae.evaluation.agreement import agreement, require_one_way_each
from wsi_haloae.evaluation.agreement_notes import interval_notes, scoring_notes, side_words, training_notes
from wsi_haloae.evaluation.agreement_page import PAGE_NAME, SHEET_NAME, Compared, write_comparison
from wsi_haloae.evaluation.agreement_sheet import write_agreement_sheet
from wsi_haloae.evaluation.held_out import with_patients
from wsi_haloae.evaluation.labelled_slide import Outlines, label_slide
from wsi_haloae.evaluation.outlines_name import named_otherwise
from wsi_haloae.evaluation.paired_auroc import Pair, paired_auroc, slide_aurocs
from wsi_haloae.evaluation.paired_slide import PairedSlide
from wsi_haloae.export.formats import FORMATS
from wsi_haloae.progress import Reporter
from wsi_haloae.stores.score_store import STORE_NAME, ScoreStore
from wsi_haloae.stores.scored_as import some
from wsi_haloae.stores.tile_store import STORE_NAME as TILES_NAME
from wsi_haloae.stores.tile_store import TileStore
from wsi_haloae.workspace.lock import locked

LARGE = 6  # slides with large heatmaps: each is a megabyte
NO_PIXELS = "No picture of tiles, because neither folder keeps their pixels (score --keep-tiles)."
NO_DIFFERENCE = "No picture of tiles: there is no tile about which they differ."


@dataclass(frozen=True)
class CompareOptions:
    """The two folders, the outlines to judge both by, and patients as far as they are known, by their slide's name."""

    folders: tuple[Path, Path]
    outlines: Outlines | None = None
    patients: Mapping[str, str] = field(default_factory=dict)


def compare(options: CompareOptions, output: Path, reporter: Reporter) -> tuple[Compared, int]:
    """Compare all slides that are in both folders; files go to ``output``. Returns the figures and the exit code.

    Raises `UsageError` if no slide can be compared, or if the slides of a folder were scored in several ways.
    """
    names, notes = _in_both(options)
    slides, failed = _paired(names, options, reporter)
    require_one_way_each(slides)
    pairs = [] if options.outlines is None else _labelled(slides, options.outlines, options.patients)
    area = paired_auroc(pairs) if pairs else None
    notes += named_otherwise(options.outlines, [one.header.slide.name for one, _ in pairs]) if options.outlines else ()
    notes += [*scoring_notes(slides), *training_notes(pairs), *(interval_notes(area) if area else ())]
    with locked(output, reporter.warn):
        compared = Compared(
            first=f"{options.folders[0]}: {side_words(slides, 0)}",
            second=f"{options.folders[1]}: {side_words(slides, 1)}",
            slides={slide.name: agreement([slide]) for slide in slides},
            together=agreement(slides),
            auroc=area,
            aurocs={pair[0].name: areas for pair in pairs if (areas := slide_aurocs(pair))},
            warnings=[*notes, *_drawn(output, slides, options)],
        )
        small, large = _pictures("small", slides, options), _pictures("heatmap", slides[:LARGE], options)
        write_comparison(output, compared, small, large)
    reporter.line(f"{output / PAGE_NAME}: figures, heatmaps and tiles side by side")
    return compared, 1 if failed else 0


def _in_both(options: CompareOptions) -> tuple[list[str], list[str]]:
    """Names of the slides to compare, and notes on the others."""
    first, second = ({path.parent.name for path in folder.glob(f"*/{STORE_NAME}")} for folder in options.folders)
    if not first & second:
        told = ", ".join(
            f"{folder} has {some(sorted(names)) or 'no scored slide'}"
            for folder, names in zip(options.folders, (first, second), strict=True)
        )
        raise UsageError(f"no slide is in both folders: {told}. Name two folders that 'wsi-haloae score -o' wrote.")
    alone = zip(options.folders, (first - second, second - first), strict=True)
    return sorted(first & second), [f"Only in {folder}: {some(sorted(names))}." for folder, names in alone if names]


def _paired(names: Sequence[str], options: CompareOptions, reporter: Reporter) -> tuple[list[PairedSlide], list[str]]:
    """The slides that can be compared, and the names of the others, whose errors are reported."""
    slides, failed = [], []
    for name in names:
        try:
            first, second = (ScoreStore.open(folder / name / STORE_NAME) for folder in options.folders)
            slides.append(PairedSlide.of(name, first, second))
        except WsiHaloaeError as error:
            reporter.error(f"{name}: {error}")
            reporter.trace(error)
            failed.append(name)
    if not slides:
        raise UsageError(f"none of the slides in both folders ({len(failed)}) can be compared; see the messages above.")
    return slides, failed


def _labelled(slides: Sequence[PairedSlide], outlines: Outlines, patients: Mapping[str, str]) -> list[Pair]:
    sides = (
        [label_slide(slide.name, slide.stores[side], outlines, patients.get(slide.name, "")) for slide in slides]
        for side in range(2)
    )
    return list(zip(*map(with_patients, sides), strict=True))


def _drawn(output: Path, slides: Sequence[PairedSlide], options: CompareOptions) -> list[str]:
    """Draw the tiles about which they differ most, and say why not if that cannot be done."""
    remove(output / SHEET_NAME)  # an earlier comparison may have had pixels
    pixels = {slide.name: store for slide in slides if (store := _pixels(slide, options))}
    if not pixels:
        return [NO_PIXELS]
    if not write_agreement_sheet(output / SHEET_NAME, slides, pixels):
        return [NO_DIFFERENCE]
    missing = [slide.name for slide in slides if slide.name not in pixels]
    return [f"The picture of tiles has none of {some(missing)}, whose pixels are not kept."] if missing else []


def _pixels(slide: PairedSlide, options: CompareOptions) -> TileStore | None:
    """The pixels of a slide's tiles, from the folder that keeps them; None if neither does."""
    for folder in options.folders:
        path = folder / slide.name / TILES_NAME
        if path.is_dir() and len(store := TileStore.open(path)) == len(slide.both) and store.finished:
            return store
    return None


def _pictures(kind: str, slides: Sequence[PairedSlide], options: CompareOptions) -> dict[str, list[bytes | None]]:
    paths = {slide.name: [folder / slide.name / FORMATS[kind].file for folder in options.folders] for slide in slides}
    return {name: [read_own(path) if path.exists() else None for path in both] for name, both in paths.items()}
