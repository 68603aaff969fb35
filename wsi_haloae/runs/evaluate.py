"""``wsi-haloae evaluate``: scored slides against people's outlines."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import shapely
from shapely.geometry.base import BaseGeometry

from wsi_haloae.annotations.geojson import find_annotations, read_annotations
from wsi_haloae.atomic import write_text
from wsi_haloae.calibration.selection import Selection
from wsi_haloae.errors import AnnotationError, UsageError, WsiHaloaeError
from wsi_haloae.evaluation.discoveries import discovered
from wsi_haloae.evaluation.region_overlap import RegionOverlap, region_overlap
from wsi_haloae.evaluation.slide_pictures import write_calibration, write_class_scores, write_roc
from wsi_haloae.evaluation.slide_result import (
    LabelledTiles,
    SlideResult,
    called_figures,
    class_figures,
    discoveries,
    reference_calibration,
    rule_figures,
)
from wsi_haloae.evaluation.tile_labels import BLOCK, NO_CLASS, block_names, label_tiles
from wsi_haloae.export.slide_index import EVALUATION, write_index
from wsi_haloae.pages import write_page
from wsi_haloae.progress import Reporter
from wsi_haloae.slide.properties import Bounds
from wsi_haloae.stores.score_store import STORE_NAME, ScoreHeader, ScoreStore
from wsi_haloae.stores.scored_as import ScoredAs, describe_ways
from wsi_haloae.stores.scored_tiles import ScoredTiles
from wsi_haloae.stores.sharded import TileState
from wsi_haloae.workspace.lock import locked
from wsi_haloae.workspace.study_files import StudyFile

ENOUGH_SLIDES = 5
"""From as many slides on intervals are over slides; below, over blocks of tiles."""
RESULT_NAME, PAGE_NAME = "evaluation.json", "evaluation.html"
PAGE = "evaluation/evaluation.html.jinja"


@dataclass(frozen=True)
class EvaluateOptions:
    """What ``wsi-haloae evaluate`` was asked for; ``like`` names a slide: only those scored as it was are judged."""

    annotations: Path
    reference: Sequence[str]
    min_coverage: float
    like: str | None = None


@dataclass(frozen=True, eq=False)
class EvaluatedSlide:
    """One slide's labelled tiles, and what was called on it."""

    name: str
    header: ScoreHeader
    tiles: LabelledTiles
    unlabelled: int
    selection: Selection | None
    why_none: str | None
    smallest_p: float | None
    overlap: RegionOverlap | None


def evaluate(scored: Path, output: Path | None, options: EvaluateOptions, reporter: Reporter) -> int:
    """Judge every slide of ``scored`` that has annotations; gives the exit code.

    JSON, pictures and a page go to ``output``, by default a folder in ``scored``. Raises `UsageError` where there is
    nothing to judge, or slides that were scored in different ways.
    """
    # What the user names may be a link, the folder in ``scored`` may not.
    output = scored / StudyFile.EVALUATION if output is None else output.resolve()
    if not any(scored.glob(f"*/{STORE_NAME}")):
        raise UsageError(f"{scored}: no scored slide here; name the folder that 'wsi-haloae score -o' wrote.")
    with locked(output):
        return _evaluate(scored, output, options, reporter)


def _evaluate(scored: Path, output: Path, options: EvaluateOptions, reporter: Reporter) -> int:
    slides, failed, warnings = _read_all(scored, options, reporter)
    warnings += _require_one_way(slides)
    warnings += sorted({slide.why_none for slide in slides if slide.why_none})
    by_slide = len(slides) >= ENOUGH_SLIDES
    with reporter.timed("figures and their intervals"):
        result, tiles = _judge(slides, options.reference, by_slide=by_slide)
    if not by_slide:
        warnings.append(
            f"{len(slides)} slides are too few for intervals over slides: they are over blocks of tiles, and say "
            "nothing about other patients."
        )
    _write(output, result, tiles, warnings)
    if output / PAGE_NAME == scored / EVALUATION:
        write_index(scored)  # which links to it
    for line in (*warnings, _summary(result), f"{output}: tables, pictures and evaluation.html"):
        reporter.line(line)
    return 1 if failed else 0


def _read_all(
    scored: Path, options: EvaluateOptions, reporter: Reporter
) -> tuple[list[EvaluatedSlide], list[str], list[str]]:
    """The slides to judge, the names of those that could not be, and what is to be said of them."""
    wanted = None if options.like is None else ScoredAs.of(_named(scored, options.like).header)
    slides, failed, others = [], [], []
    for path in sorted(scored.glob(f"*/{STORE_NAME}")):
        name = path.parent.name
        try:
            store = ScoreStore.open(path)
            if wanted in {None, ScoredAs.of(store.header)}:
                with reporter.timed(f"{name}: tiles and outlines"):
                    slides.append(_read(name, store, options))
            else:
                others.append(name)
        except WsiHaloaeError as error:
            reporter.error(f"{name}: {error}")
            reporter.trace(error)
            failed.append(name)
    if not slides:
        raise UsageError(f"none of {len(failed)} scored slides could be judged; the messages above say why.")
    told = {"Not judged": failed, f"Left out, scored otherwise than {options.like}": others}
    return slides, failed, [f"{what}: {', '.join(names)}." for what, names in told.items() if names]


def _named(scored: Path, name: str) -> ScoreStore:
    path = scored / name / STORE_NAME
    if path not in scored.glob(f"*/{STORE_NAME}"):
        raise UsageError(f"--like {name}: no scored slide of this name in {scored}. Give the name of a folder in it.")
    return ScoreStore.open(path)


def _require_one_way(slides: Sequence[EvaluatedSlide]) -> list[str]:
    """`UsageError` for slides whose scores are on different scales or grids; gives what is to be said otherwise."""
    ways = {slide.name: ScoredAs.of(slide.header) for slide in slides}
    if len(set(ways.values())) > 1:
        first = {way: name for name, way in reversed(ways.items())}.values()
        raise UsageError(
            f"the slides were scored in {len(first)} ways, whose scores must not be mixed: "
            f"{'; '.join(describe_ways(ways))}. Judge those of one way at a time: "
            f"{' or '.join(f'--like {name}' for name in sorted(first))}."
        )
    precisions = {slide.header.compute.dtype for slide in slides}
    if len(precisions) < 2:
        return []
    return [f"Slides were scored in {' and '.join(sorted(precisions))}: the last digits of their scores differ."]


def _read(name: str, store: ScoreStore, options: EvaluateOptions) -> EvaluatedSlide:
    scored, slide = ScoredTiles.read(store), store.header.slide
    bounds = Bounds(*slide.bounds) if slide.bounds else None
    annotations = read_annotations(find_annotations(options.annotations, Path(slide.name)), bounds)
    if not annotations.by_class:
        raise AnnotationError(f"{annotations.path}: no polygon with a class, so there is nothing to judge by.")
    index, done = scored.index, scored.state == TileState.DONE
    classes = label_tiles(annotations.by_class, index.location, index.size, options.min_coverage)
    judged = done & (classes != NO_CLASS)
    scores = store.scores()
    rules = {"score": scored.score, "paper": scored.score_paper}
    rules |= {name: scores.rules[:, place] for place, name in enumerate(store.header.rules)}
    selection = scored.selection
    chosen = np.zeros(len(index), bool) if selection is None else selection.chosen
    reference = np.isin(classes, options.reference)
    overlap = None
    if selection is not None:
        overlap = region_overlap(
            chosen, done, index.location, index.size,
            anomalous=_union(annotations.by_class, options.reference, inside=False),
            reference=_union(annotations.by_class, options.reference, inside=True),
            pixel_area=slide.mpp_x * slide.mpp_y / 1e6,
        )  # fmt: skip
    return EvaluatedSlide(
        name=name,
        header=store.header,
        tiles=LabelledTiles(
            classes=classes[judged],
            anomalous=~reference[judged],
            groups=block_names(name, index.row[judged], index.column[judged]),
            rules={rule: values[judged] for rule, values in rules.items()},
            p_values=scored.p_value[judged],
            chosen=chosen[judged],
            discovered=discovered(scored.p_value)[judged],
        ),
        unlabelled=int((done & (classes == NO_CLASS)).sum()),
        selection=selection,
        why_none=scored.why_none,
        smallest_p=store.header.model.smallest_p,
        overlap=overlap,
    )


def _union(by_class: dict[str, BaseGeometry], reference: Sequence[str], *, inside: bool) -> BaseGeometry:
    return shapely.union_all([region for name, region in by_class.items() if (name in reference) is inside])


def _judge(
    slides: Sequence[EvaluatedSlide], reference: Sequence[str], *, by_slide: bool
) -> tuple[SlideResult, LabelledTiles]:
    tiles = LabelledTiles.joined([_by_slide(slide) if by_slide else slide.tiles for slide in slides])
    names = set(tiles.classes.tolist())
    if not names & set(reference) or not names - set(reference):
        raise UsageError(
            f"--reference {', '.join(reference)} was given; outlined tiles are of class "
            f"{', '.join(sorted(names)) or '-'}. Both reference tiles and tiles of another class are needed."
        )
    selections = [slide.selection for slide in slides if slide.selection]
    overlaps = [slide.overlap for slide in slides if slide.overlap]
    can_call = len(selections) == len(slides)
    smallest = [slide.smallest_p for slide in slides if slide.smallest_p is not None]
    result = SlideResult(
        slides=[slide.name for slide in slides],
        unlabelled=sum(slide.unlabelled for slide in slides),
        reference_classes=sorted(names & set(reference)),
        groups=len(set(tiles.groups.tolist())),
        grouped_by="slides" if by_slide else f"blocks of {BLOCK} x {BLOCK} tiles",
        rules=rule_figures(tiles),
        classes=class_figures(tiles, can_call=can_call),
        called=called_figures(tiles, selections[0], sum(overlaps[1:], overlaps[0])) if can_call else None,
        calibration=reference_calibration(tiles),
        discoveries=discoveries(tiles, min(smallest, default=None)),
    )
    return result, tiles


def _by_slide(slide: EvaluatedSlide) -> LabelledTiles:
    return replace(slide.tiles, groups=np.full(len(slide.tiles.groups), slide.name))


def _write(output: Path, result: SlideResult, tiles: LabelledTiles, warnings: Sequence[str]) -> None:
    pictures = {"Scores by class": output / "classes.png", "ROC": output / "roc.png"}
    score = tiles.rules["score"]
    by_class = {name: score[tiles.classes == name] for name in result.classes}
    write_class_scores(pictures["Scores by class"], by_class, result.reference_classes)
    write_roc(pictures["ROC"], tiles.rules, tiles.anomalous)
    if result.calibration:
        pictures["p-values of reference tiles"] = output / "calibration.png"
        write_calibration(pictures["p-values of reference tiles"], result.calibration)
    encoded = {title: path.read_bytes() for title, path in pictures.items()}
    write_page(output / PAGE_NAME, PAGE, result=result, warnings=warnings, pictures=encoded)
    told = {"warnings": list(warnings), **asdict(result)}
    write_text(output / RESULT_NAME, json.dumps(told, indent=2) + "\n")


def _summary(result: SlideResult) -> str:
    own = result.rules["score"]
    low, high = own.auroc_interval.low, own.auroc_interval.high
    words = f"AUROC {own.auroc:.3f} ({low:.3f}-{high:.3f}), average precision {own.average_precision:.3f}"
    if result.called and result.called.dice is not None:
        words += f", Dice {result.called.dice:.3f} at a {result.called.criterion}"
    return words
