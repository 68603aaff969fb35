"""What a report lists: the slide, the model, its calibration, the flags, and the files beside the report."""

from __future__ import annotations

from collections.abc import Mapping

from wsi_haloae.artefacts.flags import ArtefactFlag
from wsi_haloae.artefacts.limits import ArtefactLimits
from wsi_haloae.calibration.conformal import CalibrationFacts
from wsi_haloae.calibration.reach import TILE_RATE, told_apart
from wsi_haloae.calibration.selection import FDR, LARGEST_SHARE, Selection, share_told_apart
from wsi_haloae.pages import percent
from wsi_haloae.stores.score_store import ScoreHeader

FILES: Mapping[str, str] = {
    "heatmap.png": "the heatmap over the slide, as above",
    "preview.png": "what was taken for tissue, and the tiles",
    "artefacts.png": "the flagged tiles, as above",
    "tiles.csv": "every tile: position, score, p-value, flags",
    "tiles.parquet": "the same for pandas and R",
    "tiles.geojson": "the tiles for QuPath",
    "tiles.geojson.gz": "the tiles for QuPath, packed",
    "regions.geojson": "the anomalous regions for QuPath",
    "show_heatmap.groovy": "dragged onto QuPath, lays the heatmap over the slide",
    "show_tiles.groovy": "dragged onto QuPath, shows the tiles in their colours",
    "heatmap.overlay.png": "one pixel per tile, to be laid over the slide",
    "heatmap.ome.tif": "the scores as numbers, one pixel per tile",
    "heatmap.ome.zarr": "the same as OME-Zarr",
    "map.ome.zarr": "the anomaly map of the whole slide as OME-Zarr",
}
"""What may stand beside a report, in the order in which it is listed."""


def slide_facts(header: ScoreHeader) -> dict[str, str]:
    """The slide, and how it was read."""
    slide, plan, grid = header.slide, header.read_plan, header.grid
    facts = {
        "file": slide.name,
        "size": f"{slide.width:,} x {slide.height:,} px "
        f"({slide.width * slide.mpp_x / 1000:.3g} x {slide.height * slide.mpp_y / 1000:.3g} mm)",
        "pixel size": f"{_pair(slide.mpp_x, slide.mpp_y)} µm",
        "objective": f"{slide.objective_power:g}x" if slide.objective_power else "not stated",
        "vendor": slide.vendor,
        "tiles": f"{grid.tile_size} x {grid.tile_size} px at "
        f"{_pair(slide.mpp_x * grid.l0_scale_x, slide.mpp_y * grid.l0_scale_y)} µm, every {grid.stride} px",
    }
    if "level" in plan:
        scale = plan.get("scale_x", 1.0)
        facts["read from"] = f"level {plan['level']:g}" + (
            f", {scale:.3g}-fold reduced" if scale != 1 else ", as it is"
        )
    return facts


def model_facts(header: ScoreHeader) -> dict[str, str]:
    """The model, its scales, and what its numbers were computed on."""
    model = header.model
    facts = {
        "checkpoint (SHA-256)": model.sha256,
        "score": model.rule,
        "colours of scores": f"{model.display_range[0]:.3g} to {model.display_range[1]:.3g}",
    }
    if model.map_range:
        facts["colours of maps"] = f"{model.map_range[0]:.3g} to {model.map_range[1]:.3g}"
    facts["computed on"] = f"{header.compute.device}, {header.compute.dtype}"
    return facts


def calibration_facts(calibration: CalibrationFacts, selection: Selection | None) -> dict[str, str]:
    """How fine p-values are, and what can be called with them: nothing, where there is no selection."""
    smallest_share = calibration.smallest_p / FDR
    share = f"{share_told_apart(smallest_share)}\N{NO-BREAK SPACE}% of the slide's tiles"
    return {
        "calibration tiles": f"{calibration.tiles:,} of {count_of_groups(calibration)} "
        "(patients, slides, or parts of one slide)",
        "worth, as independent tiles": independent_tiles(calibration),
        "smallest p-value there can be": told_apart(calibration.smallest_p, TILE_RATE),
        f"smallest share that a false-discovery rate of {percent(FDR)} could call": (
            f"{share if smallest_share <= 1 else 'none'} (up to {percent(LARGEST_SHARE)} is taken for enough)"
        ),
        "called by": "nothing: no tile can be called" if selection is None else selection.phrase,
    }


FLAG_MEANINGS: Mapping[ArtefactFlag, str] = {
    ArtefactFlag.OUT_OF_FOCUS: "blurred: little fine detail for its contrast",
    ArtefactFlag.PEN: "ink of a marker, or another strong colour that no stain has",
    ArtefactFlag.FOLD: "a dark band, as of tissue that lies double",
    ArtefactFlag.MOSTLY_GLASS: "more than half of the tile is glass",
}


def flag_limit(flag: ArtefactFlag, limits: ArtefactLimits) -> str:
    """From which value on the flag is set."""
    return {
        ArtefactFlag.OUT_OF_FOCUS: f"sharpness below {limits.focus:.3g}",
        ArtefactFlag.PEN: f"ink on more than {percent(limits.ink_share)}",
        ArtefactFlag.FOLD: f"darkest band above {limits.fold_ratio:.3g} of the tissue's density",
        ArtefactFlag.MOSTLY_GLASS: f"glass on more than {percent(limits.glass_share)}",
    }[flag]


def count_of_groups(calibration: CalibrationFacts) -> str:
    """How many groups the calibration tiles come from: patients, slides, or blocks of tiles where one slide was all."""
    return f"{calibration.groups:,} group{'' if calibration.groups == 1 else 's'}"


def independent_tiles(calibration: CalibrationFacts) -> str:
    """How many independent tiles they are worth, told apart from the number at which one can be called."""
    effective = calibration.effective_tiles
    return f"{effective:,.0f}" if effective >= 100 else told_apart(effective, 1 / TILE_RATE - 1)


def _pair(x: float, y: float) -> str:
    return f"{x:.4g}" if f"{x:.4g}" == f"{y:.4g}" else f"{x:.4g} x {y:.4g}"
