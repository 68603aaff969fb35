"""The answers of `next_patient` as tables for people."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from wsi_haloae.experiments.next_patient import MIXTURES, MixtureRow, Row
from wsi_haloae.pages import percent


def markdown_answers(answers: Mapping[str, Sequence[Row]], mixtures: Mapping[str, Sequence[MixtureRow]]) -> str:
    """A table per question with a column for each kind of features, and the mixtures."""
    questions = dict.fromkeys(row.question for rows in answers.values() for row in rows)
    introduction = (
        "AUROC (95 % over blocks of 8 x 8 tiles, which says nothing about other patients; with anchors, the lowest of "
        "10 draws); false calls, found: usual and anomalous tiles with p <= 0.05. Outlines by a layman.\n"
    )
    lines = ["# The next patient's slide\n", introduction]
    for question in questions:
        asked = {name: [row for row in rows if row.question == question] for name, rows in answers.items()}
        lines += _question(question, asked)
    for name, rows in mixtures.items():
        lines += _mixtures(name, rows)
    return "\n".join(lines) + "\n"


def _question(question: str, answers: Mapping[str, Sequence[Row]]) -> Iterator[str]:
    yield f"\n## {question}\n"
    yield f"| way | {' | '.join(f'{name}: AUROC | false calls, found' for name in answers)} |"
    yield f"|---|{'---|---|' * len(answers)}"
    by_name = {name: {row.way: row for row in rows} for name, rows in answers.items()}
    for way in dict.fromkeys(row.way for rows in answers.values() for row in rows):
        cells = [cell for rows in by_name.values() for cell in _cells(rows.get(way))]
        yield f"| {way} | {' | '.join(cells)} |"


def _cells(row: Row | None) -> tuple[str, str]:
    if row is None:
        return "", ""
    spread = f"{row.interval.low:.2f}-{row.interval.high:.2f}" if row.interval else f"lowest {row.lowest:.3f}"
    calls = "" if row.false_calls is None or row.found is None else f"{percent(row.false_calls)}, {percent(row.found)}"
    return f"{row.auroc:.3f} ({spread})", calls


def _mixtures(name: str, rows: Sequence[MixtureRow]) -> Iterator[str]:
    yield f"\n## {name}: slides of which a share is anomalous\n"
    yield "| question | anomalous | core's spread over the usual | adapted by auto | AUROC, auto | AUROC, slide |"
    yield "|---|---:|---:|---:|---:|---:|"
    for row in rows:
        areas = ("" if area is None else f"{area:.3f}" for area in (row.auto, row.slide))
        yield (
            f"| {row.question} | {percent(row.share)} | {row.spread:.2f} | {percent(row.adapted)} of {MIXTURES} | "
            f"{' | '.join(areas)} |"
        )
