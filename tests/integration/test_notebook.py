"""The notebook in examples/ runs from its first cell to its last, on smaller slides and with a training cut short."""

from __future__ import annotations

from pathlib import Path

import nbformat
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).parents[2] / "examples" / "heatmap.ipynb"
SHORTER = {
    "training.steps=150": "training.steps=4 --set training.statistics_tiles=16 --set training.validation_tiles=4",
    "width=3072, height=2048": "width=1536, height=1024",
}


def test_the_notebook_runs(tmp_path: Path) -> None:
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    for long, short in SHORTER.items():
        assert sum(cell.source.count(long) for cell in notebook.cells) == 1
        for cell in notebook.cells:
            cell.source = cell.source.replace(long, short)
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    shown = [output for cell in notebook.cells for output in cell.get("outputs", ())]
    pictures = sum("image/png" in output.get("data", {}) for output in shown)
    assert pictures == 3, "thumbnail, heatmap, coarse heatmap"
    assert (tmp_path / "notebook-demo/results/look/report.html").exists()
