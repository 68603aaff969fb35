"""Examples at the end of every command's ``--help``: one table, whose command lines the tests parse."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import click

Example = tuple[str, str]
"""What it does, and the command line."""

EXAMPLES: Mapping[str, Sequence[Example]] = {
    "info": (
        ("facts about a slide, and a picture of its tissue", "wsi-haloae info slide.svs --preview tissue.png"),
        ("which outlines count", "wsi-haloae info slide.svs --annotations slide.geojson"),
    ),
    "tile": (
        ("tiles of 256 px at 0.5 µm/px", "wsi-haloae tile slides --mpp-target 0.5 -o tiles"),
        ("how many, and how long it takes", "wsi-haloae tile slides --mpp-target 0.5 -o tiles --dry-run"),
    ),
    "train-tiles": (
        (
            "tissue outlined in QuPath, on a CPU",
            (
                "wsi-haloae train-tiles a.svs b.svs --annotations geojson --class Tumor \\\n"
                "    --mpp-target 0.5 --config haloae-small -o model.safetensors"
            ),
        ),
        (
            "a folder of tiles whose names hold the patient",
            (
                "wsi-haloae train-tiles tumour --mpp 0.5 --group-regex 'p[0-9]+' \\\n"
                "    --config haloae-small -o model.safetensors"
            ),
        ),
    ),
    "score": (
        ("a folder of slides", "wsi-haloae score slides -m model.safetensors -o results"),
        ("how long it takes", "wsi-haloae score slides -m model.safetensors -o results --dry-run"),
        ("only inside outlines", "wsi-haloae score slide.svs -m model.safetensors --roi geojson -o results"),
    ),
    "status": (("every 10 seconds", "watch -n 10 wsi-haloae status results"),),
    "verify": (("all stores of a study", "wsi-haloae verify results"),),
    "export": (
        ("another threshold", "wsi-haloae export results --threshold 3.5"),
        ("a format that score does not write", "wsi-haloae export results --format anndata"),
        ("scores adapted to marked tiles", "wsi-haloae export results --anchors geojson"),
    ),
    "export-model": (
        ("for QuPath's WSInfer", "wsi-haloae export-model model.safetensors --format wsinfer -o wsinfer"),
    ),
    "view": (
        ("with a pathologist's outlines", "wsi-haloae view results --annotations geojson --open"),
        ("on a port of your choice", "wsi-haloae view results --port 8123"),
    ),
    "evaluate": (
        ("outlines, in which Tumor is usual", "wsi-haloae evaluate results --annotations geojson --reference Tumor"),
    ),
    "evaluate-tiles": (
        (
            "two kinds of anomalous tiles",
            (
                "wsi-haloae evaluate-tiles model.safetensors --reference-dir tumour \\\n"
                "    --anomalous-dir stroma --anomalous-dir necrosis --group-regex 'p[0-9]+'"
            ),
        ),
    ),
    "compare": (
        ("two models on the same slides", "wsi-haloae compare results other-results -o compared"),
        (
            "and which agrees better with outlines",
            "wsi-haloae compare results other-results -o compared \\\n    --annotations geojson --reference Tumor",
        ),
    ),
    "mvtec": (
        ("one category", "wsi-haloae mvtec mvtec_ad --category screw --config haloae-small -o screw"),
        (
            "your own images",
            "wsi-haloae mvtec --reference-dir good --test-dir test -o results",
        ),
    ),
    "config show": (
        ("what a preset changes", "wsi-haloae config show --config haloae-small --changed"),
        (
            "a file of your own",
            "wsi-haloae config show --config haloae-small > my.yaml",
        ),
    ),
    "config explain": (
        ("one setting", "wsi-haloae config explain training.steps"),
        ("and what a preset makes of it", "wsi-haloae config explain training.steps --config haloae-small"),
        ("a section", "wsi-haloae config explain tissue"),
    ),
    "recipe": (
        ("all recipes", "wsi-haloae recipe"),
        ("what one takes", "wsi-haloae recipe cohort_slurm --help"),
    ),
    "qupath-scripts": (("into QuPath's folder of scripts", "wsi-haloae qupath-scripts -o QuPath/scripts"),),
    "doctor": (("for a report of a problem", "wsi-haloae doctor > doctor.txt"),),
    "demo": (("under 5 minutes on 2 cores", "wsi-haloae demo -o demo"),),
}


def add_examples(group: click.Group, prefix: str = "") -> None:
    """Put its examples below the help of every command of a group. `KeyError` for a command that has none."""
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            add_examples(command, f"{prefix}{name} ")
        else:
            command.epilog = _epilog(EXAMPLES[f"{prefix}{name}"])


def _epilog(examples: Sequence[Example]) -> str:
    parts = ("\b", "Examples:", *(f"  # {words}\n  {line}".replace("\\\n", "\\\n  ") for words, line in examples))
    return "\n".join(parts)
