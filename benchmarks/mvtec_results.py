"""Collects the results of `wsi-haloae mvtec` or pipelines/paper_*.py in one JSON file, with machine and versions.

python benchmarks/mvtec_results.py OUT -o benchmarks/results/mvtec-table1.json
"""

from __future__ import annotations

import json
from pathlib import Path

import click
from machine import where


@click.command()
@click.argument("folder", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("-o", "--output", type=click.Path(dir_okay=False, path_type=Path), required=True)
def main(folder: Path, output: Path) -> None:
    """Collect every ``mvtec.json`` below FOLDER, with the duration of its run in seconds."""
    rows = []
    for path in sorted(folder.rglob("mvtec.json")):
        record = json.loads(path.with_name("run.json").read_text(encoding="utf-8"))
        result = json.loads(path.read_text(encoding="utf-8"))
        rows.append({"run": path.parent.relative_to(folder).as_posix(), "seconds": record["seconds"], **result})
    if not rows:
        raise click.UsageError(f"{folder}: contains no mvtec.json. Give the output folder of the runs.")
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(json.dumps({**where(), "rows": rows}, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
