"""Tables for people: every figure stands in its column, and what a reader must be warned of is said."""

from __future__ import annotations

from typing import Any

from wsi_haloae.mvtec.category_table import HEADINGS, markdown_table
from wsi_haloae.mvtec.paper_figures import OFFICIAL_DEFECTS, TABLE_1, TABLE_3, TABLE_S2, Published
from wsi_haloae.mvtec.row_table import RowResults, markdown_rows, markdown_variants


def bounds(low: float, high: float) -> dict[str, float]:
    return {"low": low, "high": high}


def result(name: str = "screw", **changes: Any) -> dict[str, Any]:
    """What mvtec.json holds, with a different number in every place."""
    told: dict[str, Any] = {
        "data": {"name": name, "train": 11, "validation": 12, "reference": 13, "anomalous": 14, "with_mask": 15},
        "label": "vgg19 (file); 14 of 119 defects, 15 with mask",
        "steps": 300,
        "seed": 7,
        "rule": "the rule",
        "image": {"auroc": 0.11, "interval": bounds(0.12, 0.13), "plain": 0.11, "median": 0.14},
        "pixel": {"auroc": 0.21, "auroc_128": 0.22, "average_precision": 0.23, "aupro": 0.24},
        "intervals": {
            "auroc": bounds(0.31, 0.32), "average_precision": bounds(0.33, 0.34), "aupro": bounds(0.35, 0.36)
        },
        "variants": [
            {"name": "classifier, P(damaged)", "image_auroc": 0.61, "image_auroc_max": None, "pixel_auroc": None,
             "average_precision": None},
            {"name": "A_fm", "image_auroc": 0.62, "image_auroc_max": 0.63, "pixel_auroc": 0.64,
             "average_precision": 0.65},
        ],
        "baselines": [
            {"name": "PCA-32", "image_auroc": 0.41,
             "pixel": {"auroc": 0.42, "auroc_128": 0.43, "average_precision": 0.44, "aupro": 0.45}}
        ],
        "against_pca": {"average_precision": {"interval": bounds(0.0, 0.1), "ours_higher": 0.87}},
        "convergence": {"components": 32, "held_out": 0.25, "pca": 0.18, "converged": False},
        "no_model": {"brightness": 0.005},
        "decided_by": ["brightness"],
        "normalise": "none",
        "paper": {"image_auroc": 89.6, "pixel_auroc": 99.0},
    }  # fmt: skip
    return told | changes


def cells(line: str) -> list[str]:
    return [cell.strip() for cell in line.strip("|").split("|")]


def test_every_figure_stands_under_its_heading() -> None:
    lines = markdown_table([result()]).splitlines()
    assert cells(lines[0]) == list(HEADINGS)
    assert "median grey**" not in "".join(lines)
    assert "**every image divided by its median grey**" in markdown_table([result(normalise="median")])
    ours = dict(zip(HEADINGS, cells(lines[2]), strict=True))
    assert ours["category"] == "**screw**"
    assert ours["image AUROC"] == "11.0 (12.0-13.0)"
    assert ours["divided by median grey"] == "14.0"
    assert ours["pixel AUROC"] == "21.0 (31.0-32.0)"
    assert ours["at 128 px"] == "22.0"
    assert ours["AP"] == "23.0 (33.0-34.0)"
    assert ours["AUPRO@0.3"] == "24.0 (35.0-36.0)"
    assert (ours["paper: image"], ours["paper: pixel"]) == ("89.6", "99.0")
    baseline = dict(zip(HEADINGS, cells(lines[3]), strict=True))
    assert [baseline[name] for name in HEADINGS[1:7]] == ["41.0", "-", "42.0", "43.0", "44.0", "45.0"]
    assert cells(lines[4])[:2] == ["&emsp;no model: brightness", "0.5"], "never flipped"


def test_a_reader_is_warned() -> None:
    remarks = cells(markdown_table([result()]).splitlines()[2])[-1]
    assert "**decided without a model, by brightness**" in remarks
    assert "not converged: held-out residual 0.250, PCA-32 0.180" in remarks
    assert "AP above PCA's in 87 % of draws" in remarks
    converged = {"components": 32, "held_out": 0.15, "pca": 0.18, "converged": True}
    calm = markdown_table([result(convergence=converged, decided_by=[])]).splitlines()[2]
    assert "converged" not in calm
    assert "decides" not in calm


def test_what_stands_behind_the_figures_is_said() -> None:
    text = markdown_table([result()])
    for fact in ("14 of 119 defects", "300 steps", "seed 7", "11 training and 12 held-out", "the rule"):
        assert fact in text


def test_the_mean_leaves_pixels_out_where_a_category_has_none() -> None:
    blind = result("other", pixel=None, intervals=None, against_pca=None, convergence=None, paper=None)
    blind["image"] = {"auroc": 0.31, "interval": bounds(0.3, 0.4), "plain": 0.31, "median": 0.34}
    lines = [cells(line) for line in markdown_table([result(), blind]).splitlines()]
    [mean] = [line for line in lines if line[0] == "mean of 2"]
    assert mean[1:8] == ["21.0", "24.0", "-", "-", "-", "-", "-"]


def test_rows_stand_beside_the_papers_means() -> None:
    rows = [
        RowResults("EWS", {"screw": result(), "nut": result("nut", pixel=None)}, Published(92.0, 91.2)),
        RowResults("failed", {}, None),
    ]
    lines = [cells(line) for line in markdown_rows("Rows", rows).splitlines() if line.startswith("|")]
    assert lines[0][1:7] == ["screw: image", "screw: pixel", "screw: AP", "nut: image", "nut: pixel", "nut: AP"]
    assert lines[2] == [
        "EWS", "11.0", "21.0", "23.0", "11.0", "-", "-", "11.0", "-", "92.0", "91.2",
        "screw not converged (0.250, PCA 0.180); nut not converged (0.250, PCA 0.180)",
    ]  # fmt: skip
    assert lines[3][1:] == ["-"] * 10 + [""]


def test_every_way_of_scoring_stands_beside_table_s2() -> None:
    text = markdown_variants("Scores", {"screw": result()}, TABLE_S2)
    lines = [cells(line) for line in text.splitlines() if line.startswith("|")]
    assert lines[2] == ["classifier, P(damaged)", "61.0", "-", "-", "-", "84.4", "-"]
    assert lines[3] == ["A_fm", "62.0", "63.0", "64.0", "65.0", "89.0", "90.0"], "the paper's is the mean"


def test_the_papers_own_figures_are_the_specifications() -> None:
    assert len(TABLE_1) == len(OFFICIAL_DEFECTS) == 15
    assert set(TABLE_1) == set(OFFICIAL_DEFECTS)
    mean = sum(row.image_auroc for row in TABLE_1.values()) / 15
    assert round(mean, 1) == TABLE_3["EWS"].image_auroc
    assert round(sum(row.pixel_auroc for row in TABLE_1.values()) / 15, 1) == TABLE_3["EWS"].pixel_auroc
    assert sum(OFFICIAL_DEFECTS.values()) == 1258, "anomalous test images of MVTec AD"
