"""One colour for each artefact, in every picture of them: none is a colour of the heatmap's table."""

from __future__ import annotations

from wsi_haloae.artefacts.flags import ArtefactFlag

ARTEFACT_COLOURS = {
    ArtefactFlag.OUT_OF_FOCUS: "#1d4ed8",
    ArtefactFlag.PEN: "#b45309",
    ArtefactFlag.FOLD: "#be185d",
    ArtefactFlag.MOSTLY_GLASS: "#4b5563",
}
