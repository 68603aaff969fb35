"""What names and cells may hold, and what neither a terminal nor a spreadsheet may act on."""

from __future__ import annotations

import csv
import io
import os
import re
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from wsi_haloae.cli.main import main
from wsi_haloae.errors import SlideError
from wsi_haloae.progress import Reporter
from wsi_haloae.quoting import command_line, plain_cell, printable, printable_lines, program, safe_cell

ACTED_ON = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
ANY = st.text(st.characters(codec=None, exclude_categories=()))
CELLS = st.text(st.sampled_from("=+-@\t\r\n'0123456789.eEx;,\"\uff1d"), max_size=8)


@pytest.mark.parametrize(
    ("given_text", "shown"),
    [
        ("Präparat 7 (µm) ≥ 5", "Präparat 7 (µm) ≥ 5"),
        (os.fsdecode(b"Pr\xe4parat.tif"), r"Pr\xe4parat.tif"),
        ("a\x1b[31mred\x9b", r"a\x1b[31mred\x9b"),
        ("a\0b\r\n\tc", r"a\x00b\r\n\tc"),
        ("txt.\u202efit", r"txt.\u202efit"),
        ("\u2028\ud800", r"\u2028\ud800"),
        ("C:\\slides\\new.tif", "C:\\slides\\new.tif"),
    ],
)
def test_a_name_is_shown_and_not_obeyed(given_text: str, shown: str) -> None:
    assert printable(given_text) == shown


@given(ANY)
def test_nothing_that_a_terminal_acts_on_is_left(text: str) -> None:
    assert not ACTED_ON.search(printable(text))
    assert "\n" not in printable(text)
    assert not ACTED_ON.search(printable_lines(text))
    assert printable_lines(text).count("\n") == text.count("\n")
    printable(text).encode()


@given(CELLS | ANY)
def test_a_cell_comes_back_as_it_was_given(text: str) -> None:
    assert plain_cell(safe_cell(text)) == text
    stream = io.StringIO(newline="")
    csv.writer(stream).writerow([safe_cell(text), "end"])
    stream.seek(0)
    [[cell, _]] = csv.reader(stream)
    assert plain_cell(cell) == text


@given(CELLS)
def test_no_cell_is_computed(text: str) -> None:
    cell = safe_cell(text)
    assert cell[:1] not in set("=+-@\t\r\n\uff1d") - {""} or re.fullmatch(r"[+-][\d.]+([eE][+-]?\d+)?", cell)


@pytest.mark.parametrize("text", ["-0.5", "+3", "-1e-07", "0.25", "2026-01-01", "score above -1", "", "'s-Gravenhage"])
def test_numbers_and_words_stay_as_they_are(text: str) -> None:
    assert safe_cell(text) == text


def test_a_reporter_shows_control_characters_and_keeps_them_from_its_record() -> None:
    stream = io.StringIO()
    reporter = Reporter(verbose=True, console=Console(file=stream, width=200, force_terminal=True, color_system=None))
    name = "a\x1b]0;title\x07\nerror: forged\udce4 [red]"
    for say in (reporter.line, reporter.detail, reporter.warn, reporter.error):
        say(name)
    with reporter.track(name, 1, "tiles") as advance:
        advance(1)
    with reporter.track_slides(name, 1) as pace:
        pace.end("a", measured=True)
    told = stream.getvalue()
    assert "\x1b]0;" not in told
    assert "\x07" not in told
    assert r"a\x1b]0;title\x07" in told
    assert "\n    error: forged\\xe4 [red]" in told
    assert "\nerror: forged" not in told, "a line end in a name cannot pass for a message"
    assert all("\x1b" not in text and "\udce4" not in text for text in (*reporter.warnings, *reporter.errors))


def test_an_error_of_ours_is_printable_wherever_it_is_shown() -> None:
    assert str(SlideError("\x1b[2J.tif: damaged\nsecond line")) == "\\x1b[2J.tif: damaged\nsecond line"


def test_a_command_is_quoted_for_the_users_shell() -> None:
    words = ["wsi-haloae", "export", "two words"]
    assert command_line(words, windows=False) == "wsi-haloae export 'two words'"
    assert command_line(words, windows=True) == 'wsi-haloae export "two words"'
    assert command_line([r"C:\out"], windows=True) == r"C:\out"


def test_a_letter_that_the_output_cannot_hold_is_escaped(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """As of a pipe on Windows: code page 1252 has no such letters."""
    (tmp_path / "recipe.py").write_text('"""p ≤ 0.05, in µm."""', encoding="utf-8")
    monkeypatch.setattr("wsi_haloae.cli.recipe.shipped_folder", lambda _name: tmp_path)
    piped = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(piped, encoding="cp1252"))
    monkeypatch.setattr(sys, "argv", ["wsi-haloae", "recipe"])
    with pytest.raises(SystemExit, match=r"^0$"):
        main()
    sys.stdout.flush()
    assert r"p \u2264 0.05, in µm." in piped.getvalue().decode("cp1252")


def test_the_program_is_named_so_that_it_can_be_typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    installed = tmp_path / "venv/bin/wsi-haloae"
    installed.parent.mkdir(parents=True)
    monkeypatch.setattr(sys, "executable", str(installed.with_name("python")))
    monkeypatch.setenv("PATH", str(tmp_path / "elsewhere"))
    monkeypatch.chdir(tmp_path)
    assert program() == "wsi-haloae", "not installed there"
    installed.touch(0o755)
    assert program() == "venv/bin/wsi-haloae"
    monkeypatch.setenv("PATH", str(installed.parent))
    assert program() == "wsi-haloae"
