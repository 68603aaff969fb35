"""report.html: everything inside, the same bytes, and words that fit what is in the store."""

from __future__ import annotations

import base64
import io
import re
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.export.pages import Page
from tests.export.stores import Scene, make_store
from wsi_haloae.artefacts.flags import FLAGS
from wsi_haloae.artefacts.limits import ArtefactLimits
from wsi_haloae.calibration.circumstances import Circumstances
from wsi_haloae.calibration.conformal import CalibrationFacts
from wsi_haloae.calibration.reach import why_none
from wsi_haloae.calibration.reference_scale import usual_scores
from wsi_haloae.calibration.true_rate import true_rate, true_share
from wsi_haloae.config import RULES, Rule, autoencoder_words, map_words
from wsi_haloae.export.open_store import OpenStore
from wsi_haloae.export.report import LISTED_UNREADABLE, write_report
from wsi_haloae.export.report_facts import calibration_facts
from wsi_haloae.export.score_axis import REACHES, ScoreAxis, shares
from wsi_haloae.heatmap.colours import COLOUR_TABLE, ColourScale
from wsi_haloae.provenance.use import SlideUse
from wsi_haloae.scoring.gallery import make_gallery
from wsi_haloae.stores.adaptation import AdaptedRecord, AdaptedScores
from wsi_haloae.stores.reasons import as_bytes
from wsi_haloae.stores.score_store import ScoreStore
from wsi_haloae.stores.sharded import TileState

LIMITS = ArtefactLimits(focus=0.1, ink_share=0.02, fold_ratio=0.9, glass_share=0.5, tiles=300)
COARSE = CalibrationFacts(tiles=60, groups=30, correlation=0.2, effective_tiles=39)
FINE = CalibrationFacts(tiles=9000, groups=3000, correlation=0.0, effective_tiles=8999)
HOPELESS = CalibrationFacts(tiles=9, groups=3, correlation=1.0, effective_tiles=3)
SCENE = Scene(
    width=640, height=640, display_range=(0.0, 80.0), map_range=(0.0, 1.0), calibration=COARSE, artefacts=LIMITS
)  # 100 tiles, that score 0 to 99
REFERENCE = np.linspace(0, 60, 256, dtype=np.float32)


def p_values(smallest: float, count: int = 100) -> np.ndarray:
    """The ten highest scores are rare."""
    return np.where(np.arange(count) >= count - 10, smallest, 0.5).astype(np.float32)


def make(folder: Path, scene: Scene = SCENE, **columns: np.ndarray | None) -> ScoreStore:
    return make_store(folder / "scores.zarr", scene, **{"p_value": p_values(0.025), "reference": REFERENCE, **columns})


def add_gallery(store: ScoreStore) -> None:
    """Each tile is grey, as bright as its number; so is its map."""
    size = store.header.grid.tile_size

    def read(number: int) -> np.ndarray:
        return np.full((size, size, 3), number, np.uint8)

    store.write_gallery(make_gallery(store, read, lambda pixels: pixels[:, ::16, ::16, 0].astype(np.float32) / 100))


def report(store: ScoreStore) -> Page:
    """The page, beside stand-ins for the files that it takes in or leads to."""
    folder = store.path.parent / "out" / "slide"
    folder.mkdir(parents=True)
    for name in ("heatmap.png", "artefacts.png"):
        Image.new("RGB", (8, 8)).save(folder / name)
    for name in ("run.json", "../index.html", "tiles.csv"):
        (folder / name).write_text("", encoding="utf-8")
    write_report(folder / "report.html", OpenStore(store))
    return Page(folder / "report.html")


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Page:
    flags = np.zeros(100, np.uint8)
    flags[[3, 98]] = FLAGS["pen"].bit, FLAGS["fold"].bit + FLAGS["out_of_focus"].bit
    store = make(tmp_path_factory.mktemp("report"), flags=flags)
    add_gallery(store)
    return report(store)


def test_nothing_is_fetched_and_every_link_has_its_file(page: Page) -> None:
    page.assert_self_contained()
    assert set(page.values("a", "href")) == {"../index.html", "run.json", "heatmap.png", "artefacts.png", "tiles.csv"}
    assert page.path.stat().st_size < 2_000_000
    assert "not a medical device" in page.words


def test_the_verdict_and_the_numbers(page: Page) -> None:
    assert "10 of 100 tiles (10 %) called anomalous at a per-tile error rate of 5 %" in page.words
    assert "(5 here) would also be called" in page.words
    assert "60 of 30 groups" in page.words
    assert "640 x 640 px (0.32 x 0.32 mm)" in page.words
    assert "a" * 64 in page.words


def test_colours_and_calls_do_not_contradict(page: Page) -> None:
    """The scores run from 0 to 99, and 90 is called."""
    assert "dark line around those that are called anomalous (score 90 and above" in page.words
    assert "an island inside them is not called" in page.words


def test_the_gallery_is_the_ends_of_the_ranking_without_artefacts(page: Page) -> None:
    shown = [float(score) for score in re.findall(r"score (\d+\.\d\d)", page.words)]
    assert shown == [99, *range(97, 86, -1), 98, 3, 0, 1, 2, *range(4, 13)], "flagged tiles follow the highest"
    assert re.findall(r"tile \d+_\d+ · ([a-z ,]+?) score", page.words) == ["out of focus, fold or dense nuclei"]
    assert '"fold or dense nuclei" also marks' in page.words
    assert "7 of these 12 contain glass" in page.words, "the tiles of a scene have more and more tissue"
    names = re.findall(r"· (tile \d+_\d+)", page.words)
    assert names[:2] == ["tile 9_9", "tile 9_7"]  # by row and column, as in QuPath


def test_tiles_and_maps_are_those_of_the_gallery_in_the_fixed_colours(page: Page) -> None:
    by_alt = dict(zip(page.values("img", "alt"), page.values("img", "src"), strict=True))
    tile, anomaly_map = (
        np.asarray(Image.open(io.BytesIO(base64.b64decode(by_alt[alt].partition(",")[2]))))
        for alt in ("tile 9_7 of the slide", "anomaly map of tile 9_7")
    )
    assert np.abs(tile.astype(int) - 97).max() <= 1
    assert tile.shape == (64, 64, 3)
    assert (anomaly_map == COLOUR_TABLE[round(0.97 * 255)]).all()
    assert "The maps' colours mean the same on every slide" in page.words


def test_it_says_which_scores_are_usual_and_how_far_the_rate_may_be_kept(page: Page) -> None:
    assert " ".join(usual_scores(REFERENCE).split()) in page.words
    assert " ".join(true_share(COARSE).split()) in page.words
    assert "A tile is called if at most 2.6 % of the reference tiles score as high. It is not 5 %," in page.words
    fact = f"true share of reference tiles at p \N{LESS-THAN OR EQUAL TO} 0.05 {true_rate(39)}"
    assert " ".join(fact.split()) in page.words


@pytest.mark.parametrize("rule", RULES.values(), ids=list(RULES))
def test_no_map_explains_a_score_that_it_is_no_part_of(tmp_path: Path, rule: Rule) -> None:
    store = make(tmp_path, replace(SCENE, rule_name=rule.name))
    add_gallery(store)
    words = report(store).words
    assert f"auto-encoder {autoencoder_words(rule.name)}" in words, "among the facts"
    disowned = "what the auto-encoder does not reconstruct; not part of this score" in words
    assert disowned == (rule.name == "classifier")
    assert disowned == ("does not explain it" in words)
    adds_up = {"descriptor", "content", "whitened", "layers_apart", "cosine"}
    assert ("its mean over tissue is the score" in words) == (rule.name in adds_up)


@pytest.mark.parametrize("rule", ["descriptor", "content"])
def test_maps_of_another_adaptation_or_of_an_older_store_do_not_claim_to_add_up(tmp_path: Path, rule: str) -> None:
    store = make(tmp_path, replace(SCENE, rule_name=rule))
    add_gallery(store)
    made = store.gallery()
    assert made is not None
    assert made.score is not None
    for name, gallery, told in (
        ("moved", replace(made, score=made.score + 1), "that score, not the one shown"),
        ("older", replace(made, score=None, rule=None), "does not explain it"),
    ):
        copied = make(tmp_path / name, replace(SCENE, rule_name=rule))
        copied.write_gallery(gallery)
        words = report(copied).words
        assert told in words
        assert map_words(rule, "score") not in words


def test_maps_beside_smoothed_scores_do_not_claim_to_add_up(tmp_path: Path) -> None:
    store = make(tmp_path, replace(SCENE, rule_name="descriptor"))
    record = AdaptedRecord(
        asked="none", mode="none", tiles=8, scale=1, radius=150, display_range=(0.0, 80.0), calibration=COARSE
    )
    arrays = {"score": store.read("score"), "p_value": p_values(0.025), "reference_scores": REFERENCE}
    smoothed = store.adapted_to(AdaptedScores(record, arrays))
    add_gallery(smoothed)
    words = report(smoothed).words
    assert map_words("descriptor", "other score") in words
    assert "its mean over tissue is another score" in words


def test_maps_of_another_rule_than_the_models_are_not_on_its_scale(tmp_path: Path) -> None:
    store = make(tmp_path, replace(SCENE, rule_name="combined"))
    add_gallery(store)
    made = store.gallery()
    assert made is not None
    shutil.rmtree(store.path / "gallery")
    store.write_gallery(replace(made, rule="descriptor"))
    assert "differ from slide to slide" in report(store).words


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_scores_in_another_arithmetic_than_the_calibrations_are_named(tmp_path: Path, dtype: str) -> None:
    words = report(make(tmp_path, replace(SCENE, dtype=dtype))).words
    assert ("compare these scores with calibration scores in float32" in words) == (dtype != "float32")


def test_a_store_that_does_not_name_its_rule_claims_nothing(page: Page) -> None:
    assert "part of this score" not in page.words
    assert "The map shows what the auto-encoder does not reconstruct." in page.words


def test_flags_are_counted_and_explained(page: Page) -> None:
    assert "pen 1 1 % ink of a marker" in page.words
    assert "fold or dense nuclei 1 1 % a dark, thick-looking band" in page.words
    assert "mostly glass 0 0 %" in page.words
    assert "1 tile has several flags and counts in each row." in page.words
    assert f"beside the score. {LIMITS.words} 1 tile" in page.words
    assert "All limits are fixed" in LIMITS.words


def test_limits_that_reference_tiles_have_loosened_are_named(tmp_path: Path) -> None:
    looser = LIMITS.model_copy(update={"fold_ratio": 1.25})
    words = report(make(tmp_path, replace(SCENE, artefacts=looser))).words
    assert "Loosened to fit this model's reference tissue: fold or dense nuclei. About 1 in 200 of its 300" in words


def test_the_same_store_gives_the_same_bytes(page: Page, tmp_path: Path) -> None:
    flags = np.zeros(100, np.uint8)
    flags[[3, 98]] = FLAGS["pen"].bit, FLAGS["fold"].bit + FLAGS["out_of_focus"].bit
    store = make(tmp_path, flags=flags)
    add_gallery(store)
    assert report(store).path.read_bytes() == page.path.read_bytes()


HOSTILE = "<script>alert(1)</script>\"'&{{ 7*7 }}{% x %}\u202e$.svs"


def test_a_hostile_name_is_only_a_name(tmp_path: Path) -> None:
    page = report(make(tmp_path, replace(SCENE, name=HOSTILE)))
    page.assert_self_contained()
    assert HOSTILE.replace("\u202e", "\\u202e") in page.words, "and it does not reverse the page"


def test_a_name_that_is_no_unicode_is_shown_as_well_as_it_goes(tmp_path: Path) -> None:
    page = report(make(tmp_path, replace(SCENE, name="caf\udce9.svs")))
    assert r"caf\xe9.svs" in page.words


def test_a_slide_without_tissue_has_a_page(tmp_path: Path) -> None:
    nothing = np.zeros((10, 10), np.bool_)
    store = make(tmp_path, kept=nothing, p_value=None)
    add_gallery(store)
    page = report(store)
    page.assert_self_contained()
    assert "No tissue was found" in page.words
    assert "Histogram" not in " ".join(page.values("img", "alt"))


def test_a_model_without_calibration_calls_nothing(tmp_path: Path) -> None:
    store = make(tmp_path, replace(SCENE, calibration=None), p_value=None, reference=None)
    add_gallery(store)
    page = report(store)
    page.assert_self_contained()
    assert "100 tiles scored, no verdict possible" in page.words
    assert " ".join((why_none(None) or "").split()) in page.words
    assert "no reference tiles to compare with" in page.words
    assert "p-value" not in page.words.replace("there are no p-values", "").replace("position, score, p-value", "")
    assert "called anomalous" not in page.words.replace("can be called anomalous", "")


def test_a_model_that_can_call_nothing_says_why(tmp_path: Path) -> None:
    page = report(make(tmp_path, replace(SCENE, calibration=HOPELESS), p_value=p_values(0.25)))
    assert "100 tiles scored, no verdict possible" in page.words
    assert " ".join((why_none(0.25) or "").split()) in page.words
    assert "9 tiles kept for calibration come from 3 groups and are worth 3 independent tiles" in page.words
    assert "called by nothing" in page.words
    assert "called anomalous" not in page.words.replace("can be called anomalous", "")
    assert "only 3 groups" in page.words


def test_a_false_discovery_rate_where_it_can_be_kept(tmp_path: Path) -> None:
    page = report(make(tmp_path, replace(SCENE, calibration=FINE), p_value=p_values(0.0001)))
    assert "10 of 100 tiles (10 %) called anomalous at a false-discovery rate of 10 %" in page.words
    assert "A tile is called if" not in page.words
    assert "About 10 % of the called tiles may be reference tiles after all" in page.words


def test_nothing_called_is_a_result(tmp_path: Path) -> None:
    page = report(make(tmp_path, replace(SCENE, calibration=FINE), p_value=p_values(0.4)))
    assert "None of 100 tiles called anomalous" in page.words


def test_unreadable_tiles_are_listed_up_to_a_limit(tmp_path: Path) -> None:
    count = LISTED_UNREADABLE + 3
    state = np.full(100, TileState.DONE, np.uint8)
    state[:count] = TileState.UNREADABLE
    reasons = np.stack([as_bytes(f"<b>no. {n}</b>" if n < count else "") for n in range(100)])
    page = report(make(tmp_path, state=state, reason=reasons))
    page.assert_self_contained()
    assert f"{count} tiles could not be read" in page.words
    assert page.words.count("<b>no.") == LISTED_UNREADABLE
    assert "And 3 more" in page.words
    assert f"{100 - count} tiles scored" in page.words


def test_a_slide_of_which_nothing_could_be_read(tmp_path: Path) -> None:
    store = make(tmp_path, state=np.full(100, TileState.UNREADABLE, np.uint8), p_value=None)
    assert "No tile was scored" in report(store).words


def test_an_unfinished_store_says_that_it_is(tmp_path: Path) -> None:
    state = np.full(100, TileState.DONE, np.uint8)
    state[64:] = TileState.PENDING
    page = report(make(tmp_path, state=state))
    assert "interrupted before 36 tiles had a score" in page.words
    assert "Pictures of single tiles appear here once all tiles are scored" in page.words


def test_maps_without_a_fixed_scale_say_so(tmp_path: Path) -> None:
    store = make(tmp_path, replace(SCENE, map_range=None))
    add_gallery(store)
    assert "differ from slide to slide" in report(store).words


def test_what_is_odd_about_the_whole_slide_is_a_warning(tmp_path: Path) -> None:
    scene = replace(SCENE, roi_sha256="b" * 64)
    flags = np.where(np.arange(100) < 20, np.uint8(FLAGS["out_of_focus"].bit), np.uint8(0)).astype(np.uint8)
    page = report(make(tmp_path, scene, flags=flags, reference=REFERENCE / 2))
    assert "More than half of the tiles score above 95 % of the reference tiles" in page.words
    assert "20 % of the tiles have a quality-control flag" in page.words
    assert "--roi" in page.words


def test_the_warning_about_the_slide_and_the_headline_use_one_criterion(tmp_path: Path) -> None:
    unlike = {"reference": REFERENCE / 2}
    few = report(make(tmp_path / "few", **unlike)).words
    assert "10 of 100 tiles (10 %) called" in few
    assert "but fewer are called: a tile above 95 % of them has p = 0.074, which allows for the few calibration" in few
    strict = report(make(tmp_path / "fdr", replace(SCENE, calibration=FINE), p_value=p_values(0.0001), **unlike)).words
    assert "but fewer are called: a false-discovery rate of 10 % asks for rarer scores." in strict
    all_called = report(make(tmp_path / "all", p_value=np.full(100, 0.025, np.float32))).words
    assert "More than half of the tiles (100 %) are called anomalous." in all_called
    assert "score above 95 %" not in all_called


def test_little_more_than_half_is_not_said_to_be_50_percent(tmp_path: Path) -> None:
    scene = replace(SCENE, width=64 * 641, height=64)
    p_value = np.where(np.arange(641) < 323, 0.025, 0.5).astype(np.float32)
    words = report(make(tmp_path, scene, p_value=p_value)).words
    assert "323 of 641 tiles (50 %) called anomalous" in words
    assert "More than half of the tiles (50.4 %) are called anomalous." in words


def test_tiles_that_are_mostly_glass_are_counted_in_the_headline_and_explained_at_edges(tmp_path: Path) -> None:
    flags = np.zeros(100, np.uint8)
    flags[[1, 92, 97]] = FLAGS["mostly_glass"].bit
    store = make(tmp_path, flags=flags)
    add_gallery(store)
    words = report(store).words
    assert "(10 %) called anomalous at a per-tile error rate of 5 %, 2 of them mostly glass" in words
    assert "score 91.00, p 0.025 · tile 9_1 · 93 % tissue" in words


def test_glass_that_outscores_the_flagged_tiles_shown_is_told(tmp_path: Path) -> None:
    """Six folds fill the places, although three tiles of glass are the most anomalous of all."""
    flags = np.zeros(100, np.uint8)
    flags[90:97], flags[[40, 97, 98, 99]] = FLAGS["fold"].bit, FLAGS["mostly_glass"].bit
    store = make(tmp_path, flags=flags)
    add_gallery(store)
    words = report(store).words
    assert (
        "3 of those that are mostly glass score higher than the last one here, up to 99.00, and are not shown" in words
    )
    assert "ranking above" not in words


def test_usual_scores_say_how_the_reference_is_seen(tmp_path: Path) -> None:
    store = make(tmp_path)
    record = AdaptedRecord(asked="slide", mode="slide", tiles=8, scale=1, display_range=(0.0, 80.0), calibration=COARSE)
    arrays = {"score": store.read("score"), "p_value": p_values(0.025), "reference_scores": REFERENCE}
    words = report(store.adapted_to(AdaptedScores(record, arrays))).words
    assert "Half of the held-out reference tiles, adapted as this slide is, score below" in words
    assert "for every slide that this model scores and that is adapted in the same way" in words


def test_p_values_that_cannot_know_how_patients_differ_are_a_warning(tmp_path: Path) -> None:
    page = report(make(tmp_path, replace(SCENE, calibrated=Circumstances(precision="bfloat16", blocks=True))))
    assert "cannot know how patients differ" in page.words
    assert "p-values compare these scores with calibration scores in bfloat16" in page.words


def test_an_ordinary_slide_warns_of_nothing(page: Page) -> None:
    assert not [attributes for _, attributes in page.tags if attributes.get("class") == "notice"]


def test_the_histogram_counts_every_tile_once() -> None:
    scores = np.array([-99, *[3.01] * 40, -5, 29.9, 1e9], np.float32)
    edges = ScoreAxis.of(ColourScale(0.0, 10.0), scores).edges()
    assert (edges[0], edges[-1]) == (-5.0, 30.0)
    found = shares(scores, edges)
    assert found.sum() == pytest.approx(1)
    assert found[0] == pytest.approx(2 / 44)
    assert found[-1] == pytest.approx(2 / 44)


@pytest.mark.parametrize(
    ("low", "lowest", "reference", "begin"),
    [(2, 0, 0, 0), (6, 0, 0, 4), (2, -1, 0, -2), (2, 0, -1, -2), (-1, 0, 0, -6.5)],
)
def test_the_axis_begins_below_0_only_where_scores_can_be(
    low: float, lowest: float, reference: float, begin: float
) -> None:
    axis = ScoreAxis.of(ColourScale(low, 10.0), np.array([lowest, 5], np.float32), np.array([reference, 9], np.float32))
    assert axis.edges()[0] == begin


@pytest.mark.parametrize(("score", "end"), [(30, 30), (31, 70), (71, 190), (191, 550), (1e6, 550)])
def test_the_axis_grows_with_slides_that_are_altogether_unlike_the_reference(score: float, end: float) -> None:
    assert ScoreAxis.of(ColourScale(0.0, 10.0), np.full(5, score, np.float32)).edges()[-1] == end


@pytest.mark.parametrize(
    ("use", "told", "fact"),
    [
        (None, False, "used in training not recorded in this model"),
        (SlideUse(patient=()), False, "used in training slide: no; patient: no"),
        (SlideUse(slide={"train": 3}), True, "used in training slide: train; patient: not known"),
    ],
)
def test_what_training_used_is_said(use: SlideUse | None, told: bool, fact: str, tmp_path: Path) -> None:
    page = report(make(tmp_path, replace(SCENE, trained_on=use)))
    assert fact in page.words
    assert ("Training used tiles of this slide (3 train)" in page.words) is told


@pytest.mark.parametrize("reach", REACHES)
@pytest.mark.parametrize("scale", [ColourScale(0.06, 0.22), ColourScale(-1.5, 3.0), ColourScale(-300.0, -20.0)])
def test_the_reference_has_several_bars_on_every_axis(reach: float, scale: ColourScale) -> None:
    axis = ScoreAxis(scale, reach)
    edges, ticks = axis.edges(), axis.ticks()
    assert (np.diff(edges) > 0).all()
    assert (edges < scale.high).sum() - (edges < scale.low).sum() >= 8
    np.testing.assert_allclose(axis.score(axis.place(edges)), edges, rtol=1e-9, atol=1e-9)
    assert ticks == sorted(set(ticks))
    assert axis.ends[0] <= ticks[0] <= ticks[-1] <= axis.ends[1]


def test_calibration_tiles_are_counted_by_what_their_groups_are() -> None:
    plain, blocks = (calibration_facts(COARSE, None, blocks=blocks)["calibration tiles"] for blocks in (False, True))
    assert plain == "60 of 30 groups (patients, slides, or parts of one slide)"
    assert blocks == "60 of 30 blocks of neighbouring tiles"
