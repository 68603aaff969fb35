"""The score store in a slide's output folder: made, or taken up again after an interruption."""

from __future__ import annotations

from pathlib import Path

from wsi_haloae.atomic import refuse_link
from wsi_haloae.errors import OutputExistsError
from wsi_haloae.model.checkpoint import Checkpoint
from wsi_haloae.progress import Reporter
from wsi_haloae.stores.score_header import ScoreHeader
from wsi_haloae.stores.score_store import STORE_NAME, ScoreStore
from wsi_haloae.tiles.chosen import ChosenTiles
from wsi_haloae.workspace.record import RunRecord, is_finished

REFERENCE_QUANTILES = 256
"""Of the calibration scores, kept in each store: enough to draw their histogram beside the slide's."""


def finished_record(folder: Path, header: ScoreHeader) -> RunRecord | None:
    """The record of an earlier run that scored this slide in the same way to the end; None if it must be scored.

    It is also None if the patient was named since and the outputs must be made again to say what the model knows of it.
    Raises `OutputExistsError` if the folder holds scores of another way.
    """
    path = folder / STORE_NAME
    refuse_link(path)
    if not path.exists():
        return None
    store = ScoreStore.open(path)
    store.require_same(header)
    if not (is_finished(folder, "score") and store.finished) or store.header.learns(header):
        return None
    return RunRecord.read(folder)


def open_scores(
    folder: Path, header: ScoreHeader, chosen: ChosenTiles, checkpoint: Checkpoint, reporter: Reporter
) -> ScoreStore:
    """Make the store of the ``chosen`` tiles, or open the one that an interrupted run left.

    Raises `OutputExistsError` if that run scored other tiles, in another way, on another kind of device, or with an
    earlier version.
    """
    path = folder / STORE_NAME
    if not path.exists():
        calibration = checkpoint.calibration
        quantiles = None if calibration is None else calibration.quantiles(REFERENCE_QUANTILES)
        described = checkpoint.descriptors
        reference = None if described is None else described.reference
        mask = chosen.mask
        header = header.model_copy(update={"why_empty": chosen.why_empty})
        return ScoreStore.create(path, header, chosen.index, mask.thumbnail, mask.parts, quantiles, reference)
    store = ScoreStore.open(path)
    store.require_same(header, chosen.index)
    store.take_up(reporter)
    store.learn(header)
    begun_on, device = store.header.compute.device, header.compute.device
    if not store.finished and begun_on != device:
        raise OutputExistsError(
            f"{path}: begun on {begun_on}, but this run is on {device}, whose numbers differ in the last digits. "
            f"Pass --device {begun_on} to continue, or --overwrite to start again."
        )
    return store
