"""Whether a slide that an earlier run has scored, or begun, is what this run was asked for.

A store remembers how its numbers were computed, and a resumed run computes the rest in the same way. An option that
says otherwise must not be ignored: it is refused where the scores would differ, and named where only their last digits
would.
"""

from __future__ import annotations

from pathlib import Path

from wsi_haloae.atomic import refuse_link
from wsi_haloae.engine.batch import whole
from wsi_haloae.errors import OutputExistsError
from wsi_haloae.progress import Reporter
from wsi_haloae.scoring.adapt_slide import marked_tiles
from wsi_haloae.scoring.options import ScoreOptions
from wsi_haloae.stores.score_store import STORE_NAME, ScoreStore
from wsi_haloae.stores.tile_store import STORE_NAME as TILES_NAME


def require_as_asked(folder: Path, options: ScoreOptions, reporter: Reporter) -> None:
    """Compare the options that were given with the scores that are in ``folder``, if any.

    Raises `OutputExistsError` for another precision, and for rules and tiles that are wanted but were not kept. Another
    batch size or number of threads is named in a line.
    """
    path = folder / STORE_NAME
    refuse_link(path)
    if not path.exists():
        return
    store = ScoreStore.open(path)
    compute = store.header.compute
    if options.precision is not None and options.precision != compute.dtype:
        raise OutputExistsError(
            f"{path}: scored in {compute.dtype}, but --precision {options.precision} was given. Leave --precision out "
            "to keep these scores, choose another -o, or pass --overwrite to score the slide again."
        )
    if options.all_rules and not compute.all_rules:
        raise OutputExistsError(
            f"{path}: --all-rules was given, but these scores were computed without it. The store has the rules "
            f"{', '.join(store.header.rules)}. Leave the option out to keep these scores, choose another -o, or pass "
            "--overwrite to score the slide again."
        )
    if options.keep_tiles and store.finished and not (folder / TILES_NAME).exists():
        raise OutputExistsError(
            f"{folder}: --keep-tiles was given, but this slide was scored without keeping its pixels. "
            "'wsi-haloae tile' writes them into another folder, or pass --overwrite to score the slide again."
        )
    if store.finished and not _adapted_as_asked(store, options):
        adapted = "none" if store.adapted is None else store.adapted.record.asked
        raise OutputExistsError(
            f"{path}: scored already, with --adapt {adapted} --smooth {store.radius or 0:g}, or other anchors. "
            f"'wsi-haloae export {folder}' with --adapt, --anchors or --smooth adapts the scores in seconds; "
            "--overwrite scores the slide again."
        )
    begun_with = {
        "--batch-size": compute.lowered_from or compute.batch_size,
        "--threads": compute.threads,
        "--device": compute.device,
    }
    wanted = {
        "--batch-size": options.batch_size and whole(options.batch_size),
        "--threads": options.threads,
        "--device": None if options.device == "auto" else options.device.partition(":")[0],
    }
    for option, value in wanted.items():
        if value is not None and value != begun_with[option]:
            reporter.line(
                f"{path}: {option} {value} has no effect here. The slide was begun with {begun_with[option]}, which "
                "decides the last digits of its scores; --overwrite scores it again."
            )


def _adapted_as_asked(store: ScoreStore, options: ScoreOptions) -> bool:
    if options.smooth not in {None, store.radius or 0}:
        return False
    record = None if store.adapted is None else store.adapted.record
    if options.anchors is not None:
        marked = marked_tiles(options.anchors, store.header.slide, store.index)
        return record is not None and record.anchors == tuple(marked.tolist())
    return options.adapt in {None, "none" if record is None else record.asked}
