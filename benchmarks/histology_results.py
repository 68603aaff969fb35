"""Collects the results of pipelines/histology.py in one JSON file, with machine, versions and commit.

python benchmarks/histology_results.py OUT --command 'pipelines/histology.py ...' -o benchmarks/results/histology-X.json
"""

from __future__ import annotations

import json
from pathlib import Path

import click
from machine import where


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--command", required=True, help="The command that wrote FOLDER.")
@click.option("--note", default="", help="Remark for readers of the results.")
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), required=True)
def main(folder: Path, command: str, note: str, output: Path) -> None:
    """Collect the tables in FOLDER, and how long each of its trainings took."""
    tables = {name: json.loads((folder / f"{name}.json").read_text(encoding="utf-8")) for name in ("table", "rules")}
    runs = {}
    for path in sorted(folder.glob("*/scores.json")):
        run = json.loads(path.read_text(encoding="utf-8"))
        runs[path.parent.name] = {
            key: run[key] for key in ("steps", "validation_fm", "tiles", "rule", "rule_marks", "disturbed")
        }
    output.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps({**where(), "command": command, "note": note, **tables, "runs": runs}, indent=1)
    output.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
