"""The note of an export that has begun."""

from __future__ import annotations

from pathlib import Path

import pytest

from wsi_haloae.export.begun import BEGUN_NAME, BegunExport


def test_the_note_is_read_as_it_was_written(tmp_path: Path) -> None:
    output = Path("Pr\udce4parat")  # a byte that is not UTF-8
    asked = BegunExport(formats=("csv",), fdr=0.1, anchors=(3, 5), radius=150, arguments={"output": output, "gz": True})
    asked.note(tmp_path)
    read = BegunExport.read(tmp_path)
    assert read == asked.model_copy(update={"arguments": {"output": str(output), "gz": True}})


@pytest.mark.parametrize("text", ["", "[", "null", '{"formats": 3}', "[" * 100_000])
def test_an_unreadable_note_is_one_of_the_default_files(text: str, tmp_path: Path) -> None:
    assert BegunExport.read(tmp_path) is None
    (tmp_path / BEGUN_NAME).write_text(text)
    read = BegunExport.read(tmp_path)
    assert read is not None
    assert "report" in read.formats
