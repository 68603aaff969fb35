"""The names that an output folder keeps for itself, beside the folders of its slides: no slide may bear one of them."""

from __future__ import annotations

from enum import StrEnum


class StudyFile(StrEnum):
    """Every file and folder that a command writes into OUT and that belongs to no single slide."""

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
