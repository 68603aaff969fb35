"""``wsi-haloae evaluate``: scored slides against outlines drawn by people."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from wsi_haloae.errors import UsageError, WsiHaloaeError
from wsi_haloae.evaluation.held_out import training_warnings, with_patients
from wsi_haloae.evaluation.judgement import upside_down
from wsi_haloae.evaluation.judgement_page import PAGE_NAME
from wsi_haloae.evaluation.labelled_slide import LabelledSlide, Outlines, label_slide
from wsi_haloae.evaluation.outlines_name import named_otherwise
from wsi_haloae.evaluation.reference_classes import understood
from wsi_haloae.evaluation.slide_judgement import judge_slides, require_one_way, too_few
from wsi_haloae.evaluation.slide_page import summary_lines, tiles_line, write_evaluation
from wsi_haloae.export.slide_index import EVALUATION, write_index
from wsi_haloae.progress import Reporter, with_noun
from wsi_haloae.stores.score_store import STORE_NAME, ScoreStore
from wsi_haloae.stores.scored_as import ScoredAs
from wsi_haloae.workspace.lock import locked
from wsi_haloae.workspace.study_files import StudyFile


@dataclass(frozen=True)
class EvaluateOptions:
    """Options of ``wsi-haloae evaluate``; with ``like``, only slides that were scored as that one was are judged.

    ``patients`` has the patients of slides, by the slides' names, as far as they are known.
    """

    outlines: Outlines
    like: str | None = None
    patients: Mapping[str, str] = field(default_factory=dict)


def evaluate(scored: Path, output: Path | None, options: EvaluateOptions, reporter: Reporter) -> int:
    """Judge every slide of ``scored`` that has annotations. Returns the exit code.

    JSON, pictures and a page go to ``output``, by default a folder in ``scored``. Raises `UsageError` if there is
    nothing to judge, and for slides that were scored in different ways.
    """
    # The user may name a link; the folder in ``scored`` must not be one.
    output = scored / StudyFile.EVALUATION if output is None else output.resolve()
    if not any(scored.glob(f"*/{STORE_NAME}")):
        raise UsageError(f"{scored}: no scored slide here; name the folder that 'wsi-haloae score -o' wrote.")
    with locked(output, reporter.warn, wait=True):  # it takes a minute, and several may judge by other outlines
        return _evaluate(scored, output, options, reporter)


def _evaluate(scored: Path, output: Path, options: EvaluateOptions, reporter: Reporter) -> int:
    slides, failed, warnings = _read_all(scored, options, reporter)
    warnings += require_one_way(slides)
    warnings += understood(options.outlines.reference, slides)
    warnings += named_otherwise(options.outlines, [slide.header.slide.name for slide in slides])
    slides = with_patients(slides)
    warnings += sorted({slide.why_none for slide in slides if slide.why_none})
    with reporter.timed("figures and their intervals"):
        result, tiles = judge_slides(slides, options.outlines.reference)
    marked = sum(slide.anchors for slide in slides)
    if marked:
        warnings.append(f"left out: {with_noun(marked, 'tile')} marked as reference tissue (--anchors).")
    warnings += [*training_warnings(slides, result), *too_few(slides, result)]
    warnings += filter(None, [upside_down(result.judgement)])
    coverage = options.outlines.min_coverage
    write_evaluation(output, result, tiles, coverage, warnings)
    if output / PAGE_NAME == scored / EVALUATION:
        write_index(scored)  # which links to it
    said = (*warnings, tiles_line(result.judgement, coverage), *summary_lines(result))
    for line in (*said, f"{output}: figures, pictures and evaluation.html"):
        reporter.line(line)
    return 1 if failed else 0


def _read_all(
    scored: Path, options: EvaluateOptions, reporter: Reporter
) -> tuple[list[LabelledSlide], list[str], list[str]]:
    """The slides to judge, the names of those that failed, and warnings."""
    wanted = None if options.like is None else _way(_named(scored, options.like))
    slides, failed, others = [], [], []
    for path in sorted(scored.glob(f"*/{STORE_NAME}")):
        name = path.parent.name
        try:
            store = ScoreStore.open(path)
            if wanted in {None, _way(store)}:
                with reporter.timed(f"{name}: tiles and outlines"):
                    slides.append(label_slide(name, store, options.outlines, options.patients.get(name, "")))
            else:
                others.append(name)
        except WsiHaloaeError as error:
            reporter.error(f"{name}: {error}")
            reporter.trace(error)
            failed.append(name)
    if not slides:
        raise UsageError(f"none of {len(failed)} scored slides could be judged; the messages above say why.")
    left_out = {"Not judged": failed, f"Left out, scored otherwise than {options.like}": others}
    return slides, failed, [f"{why}: {', '.join(names)}." for why, names in left_out.items() if names]


def _way(store: ScoreStore) -> ScoredAs:
    return ScoredAs.of(store.header, store.radius)


def _named(scored: Path, name: str) -> ScoreStore:
    path = scored / name / STORE_NAME
    if path not in scored.glob(f"*/{STORE_NAME}"):
        raise UsageError(f"--like {name}: no scored slide of this name in {scored}. Give the name of a folder in it.")
    return ScoreStore.open(path)
