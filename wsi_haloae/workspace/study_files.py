"""The files that an output folder holds beside the folders of its slides. No slide may have one of these names."""

from __future__ import annotations

from enum import StrEnum


class StudyFile(StrEnum):
    """Every file and folder that a command writes into OUT and that does not belong to a single slide."""

    LOCK = ".lock"
    HOLDER = ".lock-holder"
    INDEX = "index.html"
    COHORT = "cohort.csv"
    COHORT_PAGE = "cohort.html"
    SLIDES = "slides.csv"
    MONTAGE = "montage.png"
    COMPARISON = "comparison.json"
    COMPARISON_PLOT = "comparison.png"
    EVALUATION = "evaluation"
    IMPORT_SCRIPT = "import_project.groovy"
    EXPORT_SCRIPT = "export_annotations.groovy"
