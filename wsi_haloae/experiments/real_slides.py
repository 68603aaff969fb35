"""The next patient's slide: models of one patient's liver or tumour, judged on other patients.

    reference -> train_tiles -> score -> labels by outlines -> AUROC and false calls, by adaptation

The slides are crops with a layman's conservative outlines (two patients of one hospital), and tiles of a third patient
from another scanner. They are development data: methods were chosen while looking at them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import shapely

from wsi_haloae.adaptation.reference import ReferenceDescriptors
from wsi_haloae.annotations.reading import read_annotations
from wsi_haloae.atomic import write_text
from wsi_haloae.config import SLIDE_BASE, load_config
from wsi_haloae.errors import UsageError, WsiHaloaeError
from wsi_haloae.evaluation.tile_labels import block_names, label_tiles
from wsi_haloae.experiments.next_patient import MixtureRow, Question, Row, Scored, Tissue, answers, mixtures
from wsi_haloae.experiments.next_patient_table import markdown_answers
from wsi_haloae.export.truth_picture import write_truth_picture
from wsi_haloae.images.files import list_images
from wsi_haloae.model.checkpoint import Checkpoint
from wsi_haloae.model.device import resolve_device
from wsi_haloae.progress import Reporter
from wsi_haloae.provenance.parts import UNUSED
from wsi_haloae.runs.score import score_slides
from wsi_haloae.runs.train_tiles import TrainOptions, train_tiles
from wsi_haloae.scoring.options import ScoreOptions
from wsi_haloae.scoring.scorer import Scorer
from wsi_haloae.scoring.source_scores import score_source
from wsi_haloae.stores.score_store import ScoreStore
from wsi_haloae.stores.sharded import TileState
from wsi_haloae.tiles.known import known_tiles
from wsi_haloae.tiles.reference import ReferenceOptions
from wsi_haloae.tiles.sources import ImageFolderSource
from wsi_haloae.tiles.tiling import TilingSettings
from wsi_haloae.workspace.slide_inputs import SlideInput

SLIDES = {"A": "liver-sarcoma", "B": "liver-hemangioma"}
OTHER_SCAN = "C"
"""A patient of whom there are tiles, not a slide."""
MPP = 0.5
BATCH = 16
RESULTS_NAME = "real-slides.json"

LIVER_B, LIVER_A, LIVER_C = ("B", "Liver"), ("A", "Liver"), (OTHER_SCAN, "Liver")
SARCOMA, HAEMANGIOMA = ("A", "Tumor"), ("B", "Hemangioma")
QUESTIONS = (
    Question(LIVER_B, LIVER_B, HAEMANGIOMA),
    Question(LIVER_B, LIVER_A, SARCOMA),
    Question(LIVER_B, LIVER_C, SARCOMA),
    Question(LIVER_A, LIVER_A, SARCOMA),
    Question(LIVER_A, LIVER_B, HAEMANGIOMA),
    Question(LIVER_A, LIVER_C, HAEMANGIOMA),
    Question(SARCOMA, SARCOMA, LIVER_A),
    Question(SARCOMA, SARCOMA, LIVER_B),
    Question(SARCOMA, SARCOMA, HAEMANGIOMA),
)
HALVED = SARCOMA
"""The only tissue of its kind: a model is trained on its upper half, and judged on the lower one."""
MIXED = tuple(one for one in QUESTIONS if one.usual[0] == one.anomalous[0] and one.usual != one.reference)
"""Other patients' slides, of which tiles of both kinds are there."""


@dataclass(frozen=True)
class Features:
    """A name, settings, and a file of weights."""

    name: str
    settings: tuple[str, ...]
    weights: Path


@dataclass(frozen=True)
class RealSlidesOptions:
    """Where the data lie, and how models are trained."""

    data: Path
    config: tuple[str, ...]
    settings: tuple[str, ...]
    features: tuple[Features, ...]
    device: str
    workers: int


@dataclass(frozen=True)
class Table:
    """Answers and mixtures by features."""

    answers: Mapping[str, list[Row]]
    mixtures: Mapping[str, list[MixtureRow]]

    def markdown(self) -> str:
        """A table for each question, and one of mixtures for each kind of features."""
        return markdown_answers(self.answers, self.mixtures)


def measure_real_slides(output: Path, options: RealSlidesOptions, reporter: Reporter) -> Table:
    """Train and score what is not there yet, and write ``real-slides.md`` and ``.json`` to ``output``."""
    rows: dict[str, list[Row]] = {}
    mixed: dict[str, list[MixtureRow]] = {}
    for features in options.features:
        rows[features.name], mixed[features.name] = [], []
        for tissue in dict.fromkeys(question.reference for question in QUESTIONS):
            work = _Work(output / features.name, features, options, reporter)
            scored, reference = work.scored(tissue)
            own = scored[tissue[0]]
            taught = own.trained_on if own.trained_on.any() else own.classes == tissue[1]
            for question in (one for one in QUESTIONS if one.reference == tissue):
                rows[features.name] += answers(question, scored, reference, own.descriptors[taught])
            for question in (one for one in MIXED if one.reference == tissue):
                mixed[features.name] += mixtures(question, scored, reference)
        table = Table(rows, mixed)  # written after each kind of features: a run takes long
        write_text(output / RESULTS_NAME, json.dumps(asdict(table), indent=2) + "\n")
        write_text(output / "real-slides.md", table.markdown())
    return table


def model_folder(tissue: Tissue) -> str:
    """The name of the folder of a tissue's model."""
    return "-".join(tissue).lower()


@dataclass(frozen=True)
class _Work:
    """One kind of features: models, and slides scored by them, in ``folder``."""

    folder: Path
    features: Features
    options: RealSlidesOptions
    reporter: Reporter

    def scored(self, tissue: Tissue) -> tuple[dict[str, Scored], ReferenceDescriptors]:
        """All patients as the model of a tissue sees them."""
        model = self._train(tissue)
        stores = {patient: self._score(patient, model) for patient in SLIDES}
        found = {patient: self._labelled(patient, store) for patient, store in stores.items()}
        found[OTHER_SCAN] = self._tiles(model)
        return found, stores["A"].reference()

    def _train(self, tissue: Tissue) -> Path:
        patient, name = tissue
        slide, folder = self._slide(patient), self.folder / model_folder(tissue)
        outlines = slide.with_suffix(".geojson")
        if tissue == HALVED:
            outlines = write_upper_half(outlines, name, folder / "outlines.geojson")
        tiles = ReferenceOptions(
            TilingSettings(), annotations=outlines, class_name=name, num_workers=self.options.workers
        )
        chosen = TrainOptions(tiles, weights=self.features.weights, device=self.options.device)
        settings = [*self.features.settings, *self.options.settings]
        config = load_config(list(self.options.config), settings, base=SLIDE_BASE)
        model = folder / "model.safetensors"
        train_tiles([str(slide)], model, config, chosen, {"reference": f"{name} of {patient}"}, self.reporter)
        return model

    def _slide(self, patient: str) -> Path:
        slide = self.options.data / "wsi" / f"{SLIDES[patient]}.tiff"
        if not slide.exists():
            raise UsageError(f"{slide}: no such file. --data must name the folder with wsi/ and tiles/.")
        return slide

    def _score(self, patient: str, model: Path) -> ScoreStore:
        slide = self._slide(patient)
        source = SlideInput(slide, slide.stem, None, override_mpp=False)
        asked = ScoreOptions(model, self.options.device, "float32", num_workers=self.options.workers, all_rules=True)
        output = model.parent / "scored"
        if score_slides([source], output, asked, {"slide": str(slide)}, self.reporter).exit_code:
            raise WsiHaloaeError(f"{slide}: could not be scored; the message above says why.")
        return ScoreStore.open(output / slide.stem / "scores.zarr")

    def _labelled(self, patient: str, store: ScoreStore) -> Scored:
        slide, index, scores = self._slide(patient), store.index, store.scores()
        regions = read_annotations(slide.with_suffix(".geojson"), None).by_class
        classes = label_tiles(regions, index.location, index.size, 0.5)
        classes[store.states() != TileState.DONE] = ""
        use = store.header.trained_on
        taught = np.zeros(len(index), np.bool_) if use is None else known_tiles(use, store.header.grid, index) != UNUSED
        if not any((classes[~taught] == name).any() for name in set(classes[taught].tolist())):
            taught[:] = False  # nothing else of this tissue is left to judge
        store.adapt("auto")
        write_truth_picture(store.path.parent.with_suffix(".png"), store, regions["Liver"], "Liver")
        assert scores.descriptor is not None, "new models describe tiles"
        rules = dict(zip(store.header.rules, scores.rules.T, strict=True))
        return Scored(rules, scores.descriptor, classes, block_names(patient, index.row, index.column), taught)

    def _tiles(self, model: Path) -> Scored:
        folder = self.options.data / "tiles" / "liver_c"
        files = list_images(folder)
        source = ImageFolderSource(folder, MPP, files, [file.name for file in files])
        scorer = Scorer(Checkpoint.load(model), resolve_device(self.options.device), BATCH)
        with self.reporter.track("Scoring tiles of another scan", len(files), "tiles") as advance:
            found = score_source(scorer, source, np.arange(len(files)), advance)
        assert found.descriptor is not None, "new models describe tiles"
        rules = dict(zip(scorer.rules, found.rules.T, strict=True))
        alone = np.array([f"{OTHER_SCAN} {file.name}" for file in files])
        return Scored(rules, found.descriptor, np.full(len(files), "Liver"), alone, np.zeros(len(files), np.bool_))


def write_upper_half(outlines: Path, name: str, path: Path) -> Path:
    """Write the upper half of the region of class ``name`` as outlines of their own."""
    region = read_annotations(outlines, None).region(name)
    left, top, right, bottom = region.bounds
    half = shapely.box(left, top, right, (top + bottom) / 2)
    feature = {
        "type": "Feature",
        "geometry": shapely.geometry.mapping(shapely.intersection(region, half)),
        "properties": {"objectType": "annotation", "classification": {"name": name}},
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, json.dumps({"type": "FeatureCollection", "features": [feature]}))
    return path
