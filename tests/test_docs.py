"""The documentation as text: links, terms, decisions, versions. `make docs` builds it, with warnings as errors."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from urllib.parse import unquote

import pytest
import yaml
from markdown_it import MarkdownIt

import wsi_haloae
from docs.site.absolute_links import absolute
from docs.site.docstrings import to_rest
from docs.site.layers import PICTURE, draw
from tests.data_paths import REPOSITORY

DOCS = REPOSITORY / "docs"
GUIDES = [*sorted(DOCS.glob("*.md")), *sorted((DOCS / "tutorials").glob("*.md"))]
NOTES = sorted((DOCS / "decisions").glob("0*.md"))
PAGES = [*sorted(REPOSITORY.glob("*.md")), *GUIDES, *sorted((DOCS / "decisions").glob("*.md"))]
MARKDOWN = MarkdownIt("commonmark").enable("table")


def name_of(path: Path) -> str:
    return path.relative_to(REPOSITORY).as_posix()


def links_of(page: Path) -> Iterator[str]:
    """Where the links and pictures of a page lead."""
    return links_in(page.read_text(encoding="utf-8"))


def links_in(text: str) -> Iterator[str]:
    for block in MARKDOWN.parse(text):
        for token in block.children or ():
            target = token.attrGet("href") or token.attrGet("src")
            if target is not None:
                yield unquote(str(target))


def headings_of(page: Path, level: str = "h") -> list[str]:
    tokens = MARKDOWN.parse(page.read_text(encoding="utf-8"))
    return [
        text.content
        for opening, text in pairwise(tokens)
        if opening.type == "heading_open" and opening.tag.startswith(level)
    ]


def anchors_of(page: Path) -> set[str]:
    """As code hosts make them of headings."""
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in headings_of(page))
    return {heading.replace(" ", "-") for heading in plain}


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_within_the_repository_lead_somewhere(page: Path) -> None:
    for link in links_of(page):
        if re.match(r"[a-z]+:", link):
            continue
        place, _, anchor = link.partition("#")
        target = (page.parent / place).resolve() if place else page
        assert target.is_file(), f"{link}: no such file"
        assert target.is_relative_to(REPOSITORY), f"{link}: outside the repository"
        assert not anchor or anchor in anchors_of(target), f"{link}: no such heading"


def test_a_release_makes_all_links_of_the_readme_absolute() -> None:
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    address = "https://example.org/us/wsi-haloae"
    for before, after in zip(links_in(readme), links_in(absolute(readme, f"{address}/", "v1.2.3")), strict=True):
        if re.match(r"[a-z]+:", before):
            assert after == before
        else:
            assert after == f"{address}/{'raw' if before.endswith('.jpg') else 'blob'}/v1.2.3/{before}"
    assert not [link for link in links_in(absolute(readme, address, "v1")) if not re.match(r"[a-z]+:", link)]


def test_the_glossary_defines_each_term_once() -> None:
    terms = [term.strip().lower() for heading in headings_of(DOCS / "glossary.md", "h3") for term in heading.split(",")]
    assert len(terms) == len(set(terms))
    words = {"tile", "level", "mpp", "checkpoint", "auroc", "aupro", "conformal p-value", "halo size", "rule"}
    assert words <= set(terms)


@pytest.mark.parametrize("page", [REPOSITORY / "README.md", REPOSITORY / "CONTRIBUTING.md", *GUIDES], ids=name_of)
def test_pages_of_prose_lead_to_the_glossary(page: Path) -> None:
    lists_only = {"glossary.md", "tutorials.md", "how-to.md", "explanation.md", "development.md", "releasing.md"}
    if page.name not in lists_only | {"cli.md", "api.md"}:
        assert any(link.partition("#")[0].endswith("glossary.md") for link in links_of(page))


def status_of(note: Path) -> str:
    """The status of a decision: its first paragraph."""
    return note.read_text(encoding="utf-8").split("\n\n")[1]


@pytest.mark.parametrize("note", NOTES, ids=name_of)
def test_a_decision_says_whether_it_is_in_force(note: Path) -> None:
    status = status_of(note)
    assert re.match(r"\*Status: (in force|superseded by \[)", status)
    for other in re.findall(r"\((0[^)]+)\)", status):
        assert f"({note.name})" in status_of(note.parent / other), "the other one says so too"


def test_the_index_of_decisions_is_complete() -> None:
    index = (DOCS / "decisions/README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| \[(\d+)\]\(([^)]+)\) \| ([^|]+) \|", index, re.MULTILINE)
    assert [name for _, name, _ in rows] == [note.name for note in NOTES]
    assert [f"{number}. {title}" for number, _, title in rows] == [headings_of(note)[0] for note in NOTES]


def test_the_picture_of_the_layers_is_that_of_the_contract() -> None:
    assert PICTURE.read_text(encoding="utf-8") == draw(), "run: python docs/site/layers.py"


def test_all_places_name_the_same_version() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    citation = yaml.safe_load((REPOSITORY / "CITATION.cff").read_text(encoding="utf-8"))
    released = re.findall(r"^## \[(\d\S+)\] - (\S+)$", (REPOSITORY / "CHANGELOG.md").read_text("utf-8"), re.MULTILINE)
    assert wsi_haloae.__version__ == project["version"] == citation["version"] == released[0][0]
    assert str(citation["date-released"]) == released[0][1]


@pytest.mark.parametrize("form", ["bug", "feature"])
def test_issue_forms_ask_each_thing_once(form: str) -> None:
    document = yaml.safe_load((REPOSITORY / f".github/ISSUE_TEMPLATE/{form}.yml").read_text(encoding="utf-8"))
    assert document["name"] and document["description"]
    asked = [part for part in document["body"] if part["type"] != "markdown"]
    assert len({part["id"] for part in asked}) == len(asked) >= 3
    assert all(part["attributes"]["label"] for part in asked)


def test_indented_text_of_a_docstring_is_code() -> None:
    given = ["Opens it.", "", "    slide = open_slide(path)", "", "    slide.close()    # at last", "", "Then |it|."]
    code = [
        ".. code-block:: python",
        "",
        "        slide = open_slide(path)",
        "",
        "        slide.close()    # at last",
    ]
    assert to_rest(given) == ["Opens it.", "", *code, "", r"Then \|it\|."]


def test_aligned_columns_of_a_docstring_keep_their_lines() -> None:
    rest = to_rest(["x, y    where it lies", "width   how wide"])
    assert rest == [".. code-block:: text", "", "    x, y    where it lies", "    width   how wide"]


def test_lists_bars_in_code_and_numpydoc_sections_of_a_docstring_stay() -> None:
    lines = ["A list:", "", "- one", "", "    more of it, with `a | b`", "", "Parameters", "----------", "x    : |int|"]
    assert to_rest(lines) == lines
