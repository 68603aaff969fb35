"""Open the sources that a user names as reference tiles: stores, folders of images, annotated slides."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

from wsi_haloae.annotations.objects import Objects
from wsi_haloae.config import ProfileUse, TissueConfig
from wsi_haloae.errors import UsageError
from wsi_haloae.images.depth import told_of_dark
from wsi_haloae.images.files import find_images
from wsi_haloae.processors.cores import available_cores
from wsi_haloae.progress import Reporter, with_noun
from wsi_haloae.quoting import printable
from wsi_haloae.slide.properties import MPP_TOLERANCE
from wsi_haloae.stores.places import is_file_here, is_there, place
from wsi_haloae.stores.store_header import StoreHeader
from wsi_haloae.stores.tile_store import STORE_NAME, TileStore
from wsi_haloae.tiles.outlined_slide import OutlinedSlide, Outlines, missing_class
from wsi_haloae.tiles.slides_among_images import slide_among
from wsi_haloae.tiles.sources import (
    CombinedSource,
    ImageFolderSource,
    TileSource,
    TileStoreSource,
    group_by_regex,
)
from wsi_haloae.tiles.tiling import MIN_COVERAGE, TILE_SIZE, TilingSettings
from wsi_haloae.tiles.training_tiles import TrainingTiles
from wsi_haloae.tiles.ways_to_train import nothing_outlined, whole_slide
from wsi_haloae.workspace.manifest import ManifestRow, read_manifest
from wsi_haloae.workspace.slide_folders import told_missing
from wsi_haloae.workspace.slide_inputs import SlideInput
from wsi_haloae.workspace.slide_names import name_problem
from wsi_haloae.workspace.slide_places import resolved

Stratum = Literal["slide", "patient", "site"]
"""What training can balance tiles by."""
Open = Callable[[], Sequence[TileSource]]
Choose = Callable[[], Open]


@dataclass(frozen=True)
class ReferenceOptions:
    """How to read the sources of ``train-tiles``. Each field except ``settings`` is the option of the same name."""

    settings: TilingSettings
    mpp: float | None = None
    override_mpp: float | None = None
    annotations: Path | None = None
    class_name: str | None = None
    min_coverage: float = MIN_COVERAGE
    objects: Objects = "annotation"
    manifest: Path | None = None
    group_regex: str | None = None
    colour_profile: ProfileUse | None = None
    num_workers: int = field(default_factory=available_cores)


class ReferenceReader:
    """Opens sources; annotated slides are tiled below ``folder`` first.

    All sources are checked before tissue is looked for, and all tiles are chosen before the first
    is written. With ``overwrite``, tiles that an earlier training left there are made again. ``before_long``
    is called once all sources are checked: it raises what else would be an error after the work.
    """

    def __init__(
        self,
        options: ReferenceOptions,
        tissue: TissueConfig,
        folder: Path,
        reporter: Reporter,
        *,
        overwrite: bool = False,
        before_long: Callable[[], None] | None = None,
    ) -> None:
        self._options, self._tissue, self._folder, self._reporter = options, tissue, folder, reporter
        self._overwrite, self._before_long = overwrite, before_long
        rows = read_manifest(options.manifest, reporter) if options.manifest else []
        self._rows = {resolved(row.path): row for row in rows}
        if options.manifest and options.group_regex:
            raise UsageError(
                "--manifest and --group-regex were both given, but each defines the groups. Give only one of them."
            )

    def read(self, sources: Sequence[str]) -> CombinedSource:
        """All sources as one. Raises `UsageError` if they contain no tiles."""
        places = [place(source) for source in sources]
        self._refuse_twins(places)
        self._require_class(places)
        checked = [self._check(path) for path in places]
        if self._before_long:
            self._before_long()
        chosen = [choose() for choose in checked]
        parts = [part for opened in chosen for part in opened()]
        if not any(part.groups for part in parts):
            raise UsageError(f"no tiles found in {', '.join(sources)}.")
        return CombinedSource([part for part in parts if part.groups])

    def fixed_parts(self) -> Mapping[str, str]:
        """The part (train, validation or calibration) of each group for which the manifest names one."""
        fixed: dict[str, str] = {}
        for row in self._rows.values():
            if row.split and fixed.setdefault(row.unit, row.split) != row.split:
                raise UsageError(
                    f"{self._options.manifest}: group {row.unit!r} is in {fixed[row.unit]!r} and in {row.split!r}; "
                    "each group must be in one part."
                )
        return fixed

    def strata(self, source: CombinedSource, by: Stratum) -> list[str]:
        """The slide, patient or site of each tile of ``source``. Raises `UsageError` if one is not known."""
        return [label for part in source.parts for label in self._strata_of(part, by)]

    def patients(self, source: CombinedSource) -> list[str | None]:
        """The patient of each tile of ``source``, None where nothing names one.

        What ``--group-regex`` finds counts as a patient: it is all that is known about whose tiles they are.
        """
        if self._options.group_regex:
            return list(source.groups)
        return [label for part in source.parts for label in self._labels(part, "patient")]

    def _labels(self, part: TileSource, by: Stratum) -> Sequence[str | None]:
        if isinstance(part, ImageFolderSource):
            return [_label(self._rows.get(resolved(file)), by) for file in part.files]
        slide = part.slide if isinstance(part, TileStoreSource) else part.name
        row = next(iter(self._rows_of(Path(part.name).parent, slide)), None)
        return [_label(row, by) or (slide if by == "slide" else None)] * len(part.groups)

    def _strata_of(self, part: TileSource, by: Stratum) -> Sequence[str]:
        labels = self._labels(part, by)
        known = [label for label in labels if label]
        if len(known) < len(labels):
            raise _unnamed(part.name, by)
        return known

    def require_strata(self, sources: Sequence[str], by: Stratum) -> None:
        """Raise what `strata` will raise for a slide that is still to be tiled."""
        for path in map(place, sources):
            row = next(iter(self._rows_of(path, path.name)), None)
            if by != "slide" and is_file_here(path) and not _label(row, by):
                raise _unnamed(str(path), by)

    def _refuse_twins(self, paths: Sequence[Path]) -> None:
        """Tiles of annotated slides lie in a folder named after the slide's stem. Refuse names that cannot be used."""
        seen: dict[str, Path] = {}
        for path in paths:
            problem = name_problem(path.stem, kept=()) if is_file_here(path) else ""
            if problem:
                raise UsageError(
                    f"{path}: no folder can be called '{printable(path.stem)}': {problem}. Rename the file."
                )
            twin = seen.setdefault(path.stem, path)
            if is_file_here(path) and twin != path:
                raise UsageError(
                    f"{twin} and {path} have the same name. Tile them first ('wsi-haloae tile --name-by parent'), "
                    "or rename one of them."
                )

    def _require_class(self, paths: Sequence[Path]) -> None:
        """Raise `UsageError`, which lists the classes, for slides with annotations but without a class."""
        slides = [(path, self._outlines_of(path)) for path in paths if is_file_here(path)]
        outlined = [(path, outlines) for path, outlines in slides if outlines]
        if outlined and self._options.class_name is None:
            raise missing_class(outlined, self._options.objects)

    def _check(self, path: Path) -> Choose:
        """A source that has been checked. If it is a slide, the first call chooses its tiles, the second reads them."""
        if not is_there(path):
            raise UsageError(told_missing(path))
        if is_file_here(path):
            slide, group = self._check_slide(path), self._group(path, path.name)
            return lambda: self._choose(slide, group)
        parts = self._open_folder(path)
        return lambda: lambda: parts

    def _open_folder(self, path: Path) -> list[TileSource]:
        if self._options.annotations or self._options.class_name:
            raise UsageError(
                f"{path}: --annotations and --class choose tiles on slides, but this is a folder. "
                "Name the slide files (slides/*.svs), or leave both options out."
            )
        if (path / "zarr.json").is_file():
            return [self._open_store(path)]
        stores = sorted(path.glob(f"*/{STORE_NAME}"))
        return [self._open_store(store) for store in stores] or [self._open_images(path)]

    def _open_store(self, path: Path) -> TileSource:
        header = TileStore.open(path).header
        self._refuse_other_tiling(path, header)
        self._refuse_other_colours(path, header.colour_profile)
        return TileStoreSource(path, self._group(path.parent, header.slide.name))

    def _refuse_other_tiling(self, path: Path, header: StoreHeader) -> None:
        """A store's tiles are cut already. An option that asks for others must not be ignored."""
        asked, grid = self._options.settings, header.grid
        options: list[tuple[str, float | None, float, float]] = [
            ("--tile-size", asked.tile_size if asked.tile_size != TILE_SIZE else None, grid.tile_size, 0),
            ("--stride", asked.stride, grid.stride, 0),
            ("--mpp-target", asked.mpp_target, header.read_plan["mpp_x"], MPP_TOLERANCE),
        ]
        for option, value, found, tolerance in options:
            if value is not None and abs(value / found - 1) > tolerance:
                raise UsageError(
                    f"{path}: {option} {value:g} was given, but these tiles were cut with {found:.4g}. Leave the "
                    f"option out, or cut the slide again with 'wsi-haloae tile {option} {value:g}'."
                )

    def _refuse_other_colours(self, path: Path, found: ProfileUse) -> None:
        asked = self._options.colour_profile
        if asked not in {None, found}:
            raise UsageError(
                f"{path}: --colour-profile {asked} was given, but these tiles were made with '{found}'. Leave the "
                f"option out, or cut the slides again with 'wsi-haloae tile --colour-profile {asked}'."
            )

    def _open_images(self, folder: Path) -> TileSource:
        files, hidden = find_images(folder)
        if slide := slide_among(files or sorted(folder.iterdir())):
            raise whole_slide(slide, self._options, self._tissue)
        if not files:
            raise UsageError(
                f"{folder}: this folder contains neither images nor tile stores (<slide>/{STORE_NAME}, "
                "made by 'wsi-haloae tile')."
            )
        if hidden:
            self._reporter.line(f"{folder}: hidden images are left out ({hidden}, such as '._a.png')")
        if self._options.mpp is None:
            raise UsageError(
                f"{folder}: image files state no pixel size. Pass --mpp, the micrometres per pixel of these images "
                "(0.5 is typical of 20x): slides are scored at the scale on which the model was trained."
            )
        if self._options.colour_profile == "apply":
            raise UsageError(
                f"{folder}: --colour-profile apply converts slides; image files are taken as they are stored. Leave "
                "the option out, or train on slides or on their tile stores."
            )
        if self._options.group_regex:
            groups = group_by_regex(files, folder, self._options.group_regex)
        elif self._rows:
            groups = [self._row_of(file).unit for file in files]
        else:
            groups = [file.relative_to(folder).as_posix() for file in files]
            self._reporter.warn(
                f"{folder}: each image counts as a separate group. If several come from one patient or slide, name the "
                "groups with --group-regex or --manifest. Otherwise near-copies end up on both sides of the split."
            )
        source = ImageFolderSource(folder, self._options.mpp, files, groups)
        if dark := told_of_dark(files):
            self._reporter.warn(dark)
        return source

    def _outlines_of(self, path: Path) -> Path | None:
        row = self._rows.get(resolved(path))
        return (row.annotations if row else None) or self._options.annotations

    def _check_slide(self, path: Path) -> OutlinedSlide:
        options, row, named = self._options, self._rows.get(resolved(path)), self._outlines_of(path)
        mpp = options.override_mpp or options.mpp or (row.mpp if row else None)
        if named is None or options.class_name is None:
            raise nothing_outlined(path, options if options.override_mpp else replace(options, mpp=mpp), self._tissue)
        source = SlideInput(path, path.stem, mpp, options.override_mpp is not None)
        source = replace(source, colour_profile=options.colour_profile or "ignore")
        outlines = Outlines(named, options.class_name, options.objects, options.min_coverage)
        return OutlinedSlide.check(source, outlines, options.settings, self._tissue, self._reporter)

    def _choose(self, slide: OutlinedSlide, group: str | None) -> Open:
        chosen = slide.choose(self._reporter)
        cut = TrainingTiles(self._folder, self._overwrite, self._options.num_workers, self._reporter)
        return lambda: [TileStoreSource(cut.store(slide.source, chosen), group)]

    def _group(self, path: Path, slide: str) -> str | None:
        """The group that a manifest's row or ``--group-regex`` names for a slide; None without either."""
        if self._options.group_regex:
            return group_by_regex([path], path.parent, self._options.group_regex)[0]
        if not self._rows:
            return None
        rows = self._rows_of(path, slide)
        if len(rows) != 1:
            raise UsageError(
                f"{path}: {self._options.manifest} has {with_noun(len(rows), 'row')} for this slide; exactly one is "
                "needed."
            )
        return rows[0].unit

    def _rows_of(self, path: Path, slide: str) -> list[ManifestRow]:
        """Rows of a slide, found by its path or its file name."""
        return [row for place, row in self._rows.items() if place == resolved(path) or place.name == slide]

    def _row_of(self, file: Path) -> ManifestRow:
        row = self._rows.get(resolved(file))
        if row is None:
            raise UsageError(f"{file}: not in the manifest {self._options.manifest}; every image needs a row.")
        return row


def _unnamed(name: str, by: Stratum) -> UsageError:
    return UsageError(
        f"--balance {by}: nothing names the {by} of {name}. Give --manifest with the columns path and {by}."
    )


def _label(row: ManifestRow | None, by: Stratum) -> str | None:
    if row is None:
        return None
    return {"slide": row.slide or row.path.name, "patient": row.patient, "site": row.site}[by]


def read_anomalous(folder: Path, source: TileSource, options: ReferenceOptions, reporter: Reporter) -> TileSource:
    """Anomalous tiles for comparison, never for training: tile stores, or images of the reference tiles' size."""
    plain = replace(options, mpp=options.mpp or source.mpp, annotations=None, class_name=None, manifest=None)
    reader = ReferenceReader(plain, TissueConfig(), folder, reporter)
    found = reader.read([str(folder)])
    CombinedSource([source, found])  # refuses another tile size or scale
    return found


def choose_groups(source: TileSource, minimum: int, warn: Callable[[str], None]) -> Sequence[str]:
    """The source's groups, or blocks of neighbouring tiles if there are fewer than ``minimum`` groups."""
    groups = len(set(source.groups))
    if groups >= minimum:
        return source.groups
    what = "slide or patient" if groups == 1 else "slides or patients"
    warn(
        f"only {groups} {what}: train, validation and calibration are blocks of neighbouring tiles instead. They "
        "resemble each other, so held-out figures flatter the model. From three patients or slides on, whole ones are "
        "held out; for a study, outline 5 to 10 patients or more."
    )
    return source.blocks
