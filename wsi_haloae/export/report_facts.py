"""The facts that a report lists: slide, model and calibration."""

from __future__ import annotations

from wsi_haloae.calibration.conformal import CalibrationFacts
from wsi_haloae.calibration.reach import TILE_RATE, count_of_groups, independent_tiles, told_apart
from wsi_haloae.calibration.selection import FDR, LARGEST_SHARE, Selection, share_told_apart
from wsi_haloae.calibration.true_rate import true_rate
from wsi_haloae.config import ProfileUse, autoencoder_words
from wsi_haloae.pages import percent
from wsi_haloae.stores.score_header import ScoreHeader

_COLOURS: dict[ProfileUse, str] = {
    "ignore": "as stored; a colour (ICC) profile is not applied",
    "apply": "converted to sRGB by the slide's colour (ICC) profile; without one, taken as sRGB",
}


def slide_facts(header: ScoreHeader) -> dict[str, str]:
    """The slide and how it was read."""
    slide, plan, grid = header.slide, header.read_plan, header.grid
    facts = {
        "file": slide.name,
        "size": f"{slide.width:,} x {slide.height:,} px "
        f"({slide.width * slide.mpp_x / 1000:.3g} x {slide.height * slide.mpp_y / 1000:.3g} mm)",
        "pixel size": f"{_pair(slide.mpp_x, slide.mpp_y)} µm",
        "objective": f"{slide.objective_power:g}x" if slide.objective_power else "not stated",
        "vendor": slide.vendor,
        "colours": _COLOURS[header.colour_profile],
        "tiles": f"{grid.tile_size} x {grid.tile_size} px at "
        f"{_pair(slide.mpp_x * grid.l0_scale_x, slide.mpp_y * grid.l0_scale_y)} µm, every {grid.stride} px",
    }
    if "level" in plan:
        scale = plan.get("scale_x", 1.0)
        facts["read from"] = f"level {plan['level']:g}" + (
            f", {scale:.3g}-fold reduced" if scale != 1 else ", unscaled"
        )
    return facts


def model_facts(header: ScoreHeader) -> dict[str, str]:
    """The model, its colour ranges, and the device that computed the scores."""
    model = header.model
    facts = {
        "checkpoint (SHA-256)": model.sha256,
        "score": model.rule,
        "auto-encoder": autoencoder_words(model.rule_name) or "not stated by this store",
        "colours of scores": f"{model.display_range[0]:.3g} to {model.display_range[1]:.3g}",
    }
    if model.map_range:
        facts["colours of maps"] = f"{model.map_range[0]:.3g} to {model.map_range[1]:.3g}"
    facts["used in training"] = "not recorded in this model" if header.trained_on is None else str(header.trained_on)
    facts["computed on"] = f"{header.compute.device}, {header.compute.dtype}"
    if model.calibration is not None and header.compute.dtype != model.calibrated.precision:
        facts["computed on"] += (
            f"; p-values compare these scores with calibration scores in {model.calibrated.precision}"
        )
    return facts


def calibration_facts(
    calibration: CalibrationFacts, selection: Selection | None, *, blocks: bool = False
) -> dict[str, str]:
    """How fine p-values are, and what can be called with them. No selection means that no tile can be called.

    ``blocks``: the groups are known to be blocks of neighbouring tiles.
    """
    groups = f"{count_of_groups(calibration, 'block' if blocks else 'group')} "
    groups += "of neighbouring tiles" if blocks else "(patients, slides, or parts of one slide)"
    smallest_share, share_range = calibration.smallest_p / FDR, true_rate(calibration.effective_tiles)
    share = f"{share_told_apart(smallest_share)}\N{NO-BREAK SPACE}% of the slide's tiles"
    return {
        "calibration tiles": f"{calibration.tiles:,} of {groups}",
        "equivalent number of independent tiles": independent_tiles(calibration),
        "smallest possible p-value": told_apart(calibration.smallest_p, TILE_RATE),
        f"true share of reference tiles at p \N{LESS-THAN OR EQUAL TO} {TILE_RATE:g}": (
            "no p-value can be so small" if share_range is None else f"{share_range} (95\N{NO-BREAK SPACE}% range)"
        ),
        f"smallest share of tiles that a false-discovery rate of {percent(FDR)} can call": (
            f"{share if smallest_share <= 1 else 'none'} (up to {percent(LARGEST_SHARE)} is accepted: smaller lesions "
            "are missed)"
        ),
        "called by": "nothing: no tile can be called" if selection is None else selection.phrase,
    }


def calls_begin(calibration: CalibrationFacts | None, selection: Selection | None) -> str:
    """Why calls by p-values begin above the score that all but the promised share stay below; "" if they do not."""
    if calibration is None or selection is None or selection.criterion != "per-tile error rate":
        return ""
    level = selection.level
    as_high = level - (1 - level) / calibration.effective_tiles  # (N S + 1) / (N + 1) = level, solved for S
    if percent(as_high) == percent(level):
        return ""
    return (
        f"A tile is called if at most {percent(as_high)} of the reference tiles score as high. It is not "
        f"{percent(level)}, because these tiles are worth only {independent_tiles(calibration)} independent ones, and "
        "p-values allow for that."
    )


def _pair(x: float, y: float) -> str:
    return f"{x:.4g}" if f"{x:.4g}" == f"{y:.4g}" else f"{x:.4g} x {y:.4g}"
