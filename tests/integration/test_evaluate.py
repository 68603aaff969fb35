"""``evaluate`` as a user runs it, on scored slides whose truth is known."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.export.pages import Page
from tests.export.stores import Scene, make_index, make_store
from wsi_haloae.calibration.conformal import CalibrationFacts
from wsi_haloae.cli.main import run
from wsi_haloae.provenance.parts import count_parts
from wsi_haloae.provenance.use import SlideUse
from wsi_haloae.provenance.used_tiles import UsedGrid, UsedTiles, pack
from wsi_haloae.stores.adaptation import AdaptedRecord, AdaptedScores
from wsi_haloae.stores.score_store import ScoreStore

FACTS = CalibrationFacts(tiles=60, groups=30, correlation=0.2, effective_tiles=39)
SCENE = Scene(width=1024, height=1024, calibration=FACTS, name="a.svs")
ROWS = 16


def square(name: str, left: int, top: int, right: int, bottom: int) -> dict[str, object]:
    ring = [[left, top], [right, top], [right, bottom], [left, bottom], [left, top]]
    return {
        "type": "Feature",
        "geometry": {"type": "Polygon", "coordinates": [ring]},
        "properties": {"classification": {"name": name}},
    }


def outline(path: Path, *, reference: str = "Tumor") -> Path:
    """Left half reference, upper right quarter stroma; the lower right quarter is nobody's."""
    features = [square(reference, 0, 0, 512, 1024), square("Stroma", 512, 0, 1024, 512)]
    path.write_text(json.dumps({"type": "FeatureCollection", "features": features}))
    return path


def scored(folder: Path, scene: Scene = SCENE, seed: int = 0) -> Path:
    """A store in which stroma scores higher, and half of it has a small p-value."""
    index, random = make_index(scene), np.random.default_rng(seed)
    stroma = (index.location[:, 0] >= 512) & (index.location[:, 1] < 512)
    score = random.normal(size=len(index)).astype(np.float32) + 2 * stroma
    p_value = random.uniform(0.06, 1, len(index)).astype(np.float32)
    p_value[stroma & (index.column % 2 == 0)] = 0.025
    folder.mkdir(parents=True)
    make_store(folder / "scores.zarr", scene, score=score.astype(np.float32), p_value=p_value)
    return folder


def evaluated(output: Path, *arguments: object) -> dict[str, object]:
    assert run(["evaluate", str(output), "--reference", "Tumor", *map(str, arguments), "-q"]) == 0
    return json.loads((output / "evaluation/evaluation.json").read_text())


def test_a_class_that_scores_higher_than_the_others_is_probably_not_the_reference(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scored(tmp_path / "out/a")
    outlines = ["--annotations", str(outline(tmp_path / "liver.geojson"))]
    for reference, asked in (("Tumor", False), ("Stroma", True)):
        assert run(["evaluate", str(tmp_path / "out"), "--reference", reference, *outlines]) == 0
        question = f"Reference tiles ({reference}) score higher than anomalous ones: AUROC 0."
        assert (question in capsys.readouterr().err) == asked
        assert (question in Page(tmp_path / "out/evaluation/evaluation.html").words) == asked


def test_a_rule_has_one_figure_and_the_tiles_that_count_are_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The score is that of the rule ``descriptor``, adapted; the row of the rule itself is not."""
    store = ScoreStore.open(scored(tmp_path / "out/a") / "scores.zarr")
    record = AdaptedRecord(asked="slide", mode="slide", tiles=8, scale=1, display_range=(0.0, 9.0), calibration=FACTS)
    arrays = {name: store.read(name) for name in ("score", "p_value", "reference_scores")}
    store.keep(AdaptedScores(record, arrays))
    outlines = ["--annotations", str(outline(tmp_path / "liver.geojson"))]
    assert run(["evaluate", str(tmp_path / "out"), "--reference", "Tumor", *outlines]) == 0
    said = capsys.readouterr().err.replace("\N{NO-BREAK SPACE}", " ")
    counted = "tiles with at least 50 % in one class (--min-coverage): Tumor 128 tiles, 0 % called anomalous; Stroma 64"
    page = Page(tmp_path / "out/evaluation/evaluation.html").words
    assert counted in said
    assert counted in page
    once = "counts once, so this may differ from the share of tiles called)"
    assert f"\n0 % of reference tiles at p ≤ 0.05 (mean over blocks of 8 x 8 tiles, each of which {once}\n" in said
    assert "\nDice " in said
    assert f"each group {once}" in page
    assert "score: descriptor, adapted to the slide 0." in page
    assert f"liver.geojson has another name than {SCENE.name}" in " ".join(said.split())
    assert "The score is adapted to each slide; the other rules' scores are not." in page


def test_one_slide_gives_figures_pictures_and_a_page(tmp_path: Path) -> None:
    scored(tmp_path / "out/a")
    found = evaluated(tmp_path / "out", "--annotations", outline(tmp_path / "a.geojson"))
    assert found["slides"] == ["a"]
    assert found["unlabelled"] == 64
    assert found["classes"]["Tumor"]["tiles"] == 128
    assert found["classes"]["Stroma"]["tiles"] == 64
    assert found["classes"]["Tumor"]["auroc"] is None
    assert found["classes"]["Stroma"]["auroc"] == found["rules"]["score"]["auroc"] > 0.85
    assert found["classes"]["Stroma"]["share_called"] == 0.5
    assert found["by_class"] == {"Stroma": found["rules"]}, "the only anomalous class"
    assert found["baselines"] == {}
    assert (found["false_calls"]["share"], found["false_calls"]["kept"]) == (0, True), "no p-value of Tumor is small"
    assert found["called"]["tiles"] == 32
    assert found["called"]["false_share"] == 0
    assert found["called"]["dice"] == pytest.approx(2 * 32 / (32 + 64))
    assert "per-tile error rate 0.05" in found["called"]["criterion"]
    assert set(found["rules"]) == {"score", "paper", "tissue"}
    shares = {point["level"]: point["share"] for point in found["calibration"]}
    assert shares[0.05] == 0
    assert shares[0.5] == pytest.approx((0.5 - 0.06) / 0.94, abs=0.1)
    rates = {point["rate"]: point for point in found["discoveries"]}
    assert rates[0.1]["tiles"] == 0, "0.025 is no discovery among 256 tiles of which 32 have it"
    assert rates[0.1]["false_share"] is None
    assert (rates[0.3]["tiles"], rates[0.3]["false_share"], rates[0.3]["found"]) == (32, 0, 0.5)
    assert any("blocks of tiles" in warning for warning in found["warnings"])
    folder = tmp_path / "out/evaluation"
    for name in ("roc.png", "calibration.png", "classes.png"):
        with Image.open(folder / name) as picture:
            assert min(picture.size) > 300
    page, index = Page(folder / "evaluation.html"), Page(folder.parent / "index.html")
    assert "Stroma 64" in page.words
    assert "False discoveries" in page.words
    assert len(page.values("img", "src")) == 3
    assert index.values("a", "href") == ["evaluation/evaluation.html"]
    for one in (page, index):
        one.assert_self_contained()


def test_the_same_command_gives_the_same_bytes(tmp_path: Path) -> None:
    scored(tmp_path / "out/a")
    annotations = outline(tmp_path / "a.geojson")
    evaluated(tmp_path / "out", "--annotations", annotations)
    first = {path.name: path.read_bytes() for path in (tmp_path / "out/evaluation").iterdir()}
    evaluated(tmp_path / "out", "--annotations", annotations)
    assert first == {path.name: path.read_bytes() for path in (tmp_path / "out/evaluation").iterdir()}


def test_many_slides_are_judged_together_and_resampled_as_slides(tmp_path: Path) -> None:
    (tmp_path / "truth").mkdir()
    for number in range(5):
        scene = Scene(width=1024, height=1024, calibration=FACTS, name=f"s{number}.svs")
        scored(tmp_path / f"out/s{number}", scene, seed=number)
        outline(tmp_path / f"truth/s{number}.geojson")
    found = evaluated(tmp_path / "out", "--annotations", tmp_path / "truth")
    assert (found["groups"], found["grouped_by"]) == (5, "slides")
    assert found["classes"]["Tumor"]["tiles"] == 5 * 128
    (few,) = found["warnings"]
    assert "fewer than 10 slides: Tumor (5), Stroma (5). Their intervals are too narrow" in few


def test_a_slide_without_annotations_is_told_and_the_rest_is_judged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scored(tmp_path / "out/a")
    scored(tmp_path / "out/b", Scene(width=1024, height=1024, calibration=FACTS, name="b.svs"))
    (tmp_path / "truth").mkdir()
    outline(tmp_path / "truth/a.geojson")
    arguments = ["--annotations", str(tmp_path / "truth"), "--reference", "Tumor"]
    assert run(["evaluate", str(tmp_path / "out"), *arguments]) == 1
    assert "no b.geojson" in capsys.readouterr().err
    assert (tmp_path / "out/evaluation/evaluation.json").exists()


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"model": "b" * 64}, "model bbbbbbbb (test)"),
        ({"rule": "another rule"}, "model aaaaaaaa (another rule)"),
        ({"model_mpp": 0.25}, "0.25 µm/px"),
        ({"stride": 32}, "stride 32"),
    ],
)
def test_slides_scored_in_two_ways_are_not_mixed(
    changes: dict[str, object], told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "truth").mkdir()
    scenes = {name: Scene(width=1024, height=1024, calibration=FACTS, name=f"{name}.svs") for name in "abc"}
    scenes["b"] = replace(scenes["b"], **changes)
    for name, scene in scenes.items():
        scored(tmp_path / f"out/{name}", scene)
        outline(tmp_path / f"truth/{name}.geojson")
    command = ["evaluate", str(tmp_path / "out"), "--annotations", str(tmp_path / "truth"), "--reference", "Tumor"]
    assert run(command) == 2
    refusal = " ".join(capsys.readouterr().err.split())
    assert "scored in 2 ways" in refusal
    assert "a, c by model aaaaaaaa (test), 0.5 µm/px, tiles of 64 px, stride 64; b by model" in refusal
    assert told in refusal
    assert "--like a or --like b" in refusal
    assert not (tmp_path / "out/evaluation/evaluation.json").exists()
    for name, judged, left_out in (("a", ["a", "c"], "b"), ("b", ["b"], "a, c"), ("c", ["a", "c"], "b")):
        found = evaluated(tmp_path / "out", "--annotations", tmp_path / "truth", "--like", name)
        assert found["slides"] == judged
        assert f"Left out, scored otherwise than {name}: {left_out}." in found["warnings"]
    assert run([*command, "--like", "../out/a"]) == 2
    assert "no scored slide of this name" in capsys.readouterr().err


def test_two_precisions_are_one_scale_and_said(tmp_path: Path) -> None:
    (tmp_path / "truth").mkdir()
    for name, dtype in (("a", "float32"), ("b", "bfloat16")):
        scored(tmp_path / f"out/{name}", replace(SCENE, name=f"{name}.svs", dtype=dtype))
        outline(tmp_path / f"truth/{name}.geojson")
    found = evaluated(tmp_path / "out", "--annotations", tmp_path / "truth")
    assert found["slides"] == ["a", "b"]
    assert "Slides were scored in bfloat16 and float32: the last digits of their scores differ." in found["warnings"]


def test_a_model_without_calibration_has_no_calls(tmp_path: Path) -> None:
    scored(tmp_path / "out/a", Scene(width=1024, height=1024, name="a.svs"))
    found = evaluated(tmp_path / "out", "--annotations", outline(tmp_path / "a.geojson"))
    assert found["called"] is None


@pytest.mark.parametrize(
    ("reference", "told"),
    [("Tumour", "Stroma, Tumor"), ("Stroma", None)],
)
def test_a_class_that_is_not_there_is_refused_with_those_that_are(
    reference: str, told: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scored(tmp_path / "out/a")
    annotations = outline(tmp_path / "a.geojson")
    code = run(["evaluate", str(tmp_path / "out"), "--annotations", str(annotations), "--reference", reference])
    assert code == (2 if told else 0)
    if told:
        assert told in capsys.readouterr().err


def test_a_folder_without_scores_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    annotations = outline(tmp_path / "a.geojson")
    assert run(["evaluate", str(tmp_path), "--annotations", str(annotations), "--reference", "Tumor"]) == 2
    assert "no scored slide" in capsys.readouterr().err


def used(scene: Scene, rows: slice, columns: slice, *, number: int = 1, **facts: object) -> Scene:
    """The scene of a slide of which training used these tiles."""
    parts = np.zeros((ROWS, ROWS), np.uint8)
    parts[rows, columns] = number
    grid = UsedGrid(
        tile_size=64, stride=64, l0_scale_x=1.0, l0_scale_y=1.0, first_row=0, first_column=0, rows=ROWS, columns=ROWS
    )
    counts = count_parts(parts)
    return replace(scene, trained_on=SlideUse(slide=counts, tiles=(UsedTiles.of(grid, pack(parts)),), **facts))


def study(folder: Path, patients: str, **changes: object) -> Path:
    """A slide for each letter of ``patients``, which names its patient; the first one, s0, was trained on in part."""
    (folder / "truth").mkdir()
    rows = []
    for number, patient in enumerate(patients):
        scene = Scene(width=1024, height=1024, calibration=FACTS, name=f"s{number}.svs")
        scene = used(scene, slice(0, 8), slice(0, 8)) if number == 0 else replace(scene, **changes)
        scored(folder / f"out/s{number}", scene, seed=number)
        outline(folder / f"truth/s{number}.geojson")
        rows.append(f"s{number},{patient},done\n")
    (folder / "out/cohort.csv").write_text("name,patient,state\n" + "".join(rows))
    return folder / "out"


def test_tiles_that_the_model_was_trained_on_are_left_out(tmp_path: Path) -> None:
    scored(tmp_path / "out/a", used(SCENE, slice(0, 4), slice(0, 10), number=2))
    found = evaluated(tmp_path / "out", "--annotations", outline(tmp_path / "a.geojson"))
    assert found["left_out"] == {"validation": 40}
    assert found["classes"]["Tumor"]["tiles"] == 128 - 4 * 8
    assert found["classes"]["Stroma"]["tiles"] == 64 - 4 * 2
    assert found["called"]["tiles"] == 32 - 4, "every other column of stroma is called"
    assert found["called"]["dice"] == pytest.approx(2 * 28 / (28 + 56)), "nor does the region hold them"
    assert found["trained_on"] == {"a": "slide: validation; patient: not known"}
    assert "40 outlined tiles were left out" in " ".join(found["warnings"])
    assert "No slide is held out." in " ".join(found["warnings"])
    assert (
        "used in training a slide: validation; patient: not known"
        in Page(tmp_path / "out/evaluation/evaluation.html").words
    )


@pytest.mark.parametrize("columns", [slice(0, 8), slice(0, 16)])
def test_where_nothing_is_left_it_is_said_why(
    columns: slice, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scored(tmp_path / "out/a", used(SCENE, slice(0, 16), columns))
    annotations = outline(tmp_path / "a.geojson")
    assert run(["evaluate", str(tmp_path / "out"), "--annotations", str(annotations), "--reference", "Tumor"]) == 2
    told = " ".join(capsys.readouterr().err.split())
    assert "they overlap tiles that training used" in told
    assert "Score slides of other patients" in told
    assert f"outlined tiles are of class {'Stroma' if columns.stop == 8 else '-'}." in told


def test_held_out_slides_are_judged_apart(tmp_path: Path) -> None:
    output = study(tmp_path, "ABCDEFG")
    found = evaluated(output, "--annotations", tmp_path / "truth")
    apart = found["held_out"]
    assert len(found["slides"]) == 7
    assert apart["slides"] == ["s1", "s2", "s3", "s4", "s5", "s6"]
    assert apart["classes"]["Tumor"]["tiles"] == 6 * 128
    assert apart["held_out"] is None
    assert apart["rules"]["score"] != found["rules"]["score"]
    assert "Held-out slides" in Page(output / "evaluation/evaluation.html").words


def test_few_held_out_slides_are_told(tmp_path: Path) -> None:
    found = evaluated(study(tmp_path, "AAABC"), "--annotations", tmp_path / "truth")
    assert found["held_out"]["slides"] == ["s3", "s4"]
    assert "Held-out slides: 2 slides are too few" in " ".join(found["warnings"])


def test_another_slide_of_a_trained_patient_is_not_held_out(tmp_path: Path) -> None:
    found = evaluated(study(tmp_path, "AABCDEF"), "--annotations", tmp_path / "truth")
    assert found["trained_on"]["s1"] == "slide: no; patient: train"
    assert "s1" not in found["held_out"]["slides"]


def test_a_patient_that_training_named_is_not_held_out(tmp_path: Path) -> None:
    output = study(tmp_path, "ABCDEFG", trained_on=SlideUse(patient=("calibration",)))
    found = evaluated(output, "--annotations", tmp_path / "truth")
    assert found["held_out"] is None
    assert "No slide is held out." in " ".join(found["warnings"])


def test_intervals_are_over_patients_too(tmp_path: Path) -> None:
    output = study(tmp_path, "AABBCCDDEE")
    found = evaluated(output, "--annotations", tmp_path / "truth")
    assert (found["groups"], found["by_patient"]["patients"]) == (10, 5)
    by_slide, by_patient = found["rules"]["score"], found["by_patient"]["rules"]["score"]
    assert by_patient["auroc"] == by_slide["auroc"]
    assert by_patient["auroc_interval"] != by_slide["auroc_interval"]
    assert found["by_patient"]["false_calls"]["level"] == found["false_calls"]["level"] == 0.05
    assert "over 5 patients" in Page(output / "evaluation/evaluation.html").words


def test_few_patients_with_many_slides_are_told(tmp_path: Path) -> None:
    found = evaluated(study(tmp_path, "AABBCC"), "--annotations", tmp_path / "truth")
    assert found["by_patient"] is None
    assert any(warning.startswith("3 patients are too few") for warning in found["warnings"])


def test_false_calls_are_the_share_of_reference_tiles_at_the_nominal_rate(tmp_path: Path) -> None:
    scored(tmp_path / "out/a")
    annotations = outline(tmp_path / "a.geojson", reference="Tumor")
    assert (
        run(["evaluate", str(tmp_path / "out"), "--annotations", str(annotations), "--reference", "Stroma", "-q"]) == 0
    )
    found = json.loads((tmp_path / "out/evaluation/evaluation.json").read_text())["false_calls"]
    assert found["level"] == 0.05
    assert found["share"] == 0.5, "here the reference is stroma, half of which has p = 0.025"
    assert "False calls: 50 % of the reference tiles" in Page(tmp_path / "out/evaluation/evaluation.html").words


def test_no_false_calls_are_claimed_where_p_values_cannot_be_so_small(tmp_path: Path) -> None:
    few = FACTS.model_copy(update={"effective_tiles": 15.0})
    scored(tmp_path / "out/a", replace(SCENE, calibration=few))
    found = evaluated(tmp_path / "out", "--annotations", outline(tmp_path / "a.geojson"))
    assert found["false_calls"] is None


def test_a_model_that_does_not_know_is_told(tmp_path: Path) -> None:
    scored(tmp_path / "out/a", replace(SCENE, trained_on=None))
    found = evaluated(tmp_path / "out", "--annotations", outline(tmp_path / "a.geojson"))
    assert any("does not record what it was trained on" in warning for warning in found["warnings"])
    assert found["trained_on"] == {"a": "not recorded"}
