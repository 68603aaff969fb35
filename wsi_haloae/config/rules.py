"""The table of scoring rules. Whatever lists, names, teaches or computes rules asks it.

To add a rule, write what it computes into a file of `wsi_haloae.scoring.rules` and give it a row here. The row names
that code by its place, and scoring loads it when it is needed: the configuration knows all rules, and loads no torch.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypedDict

Source = Literal["features", "image"]
Residual = Literal["mse", "ssim"]
Normalisation = Literal["absolute", "signed", "none"]
Pooling = Literal["mean", "p95", "max"]


class Pieces(TypedDict, total=False):
    """Settings of `ScoringConfig` that a rule brings itself, so that the configuration has no say in them."""

    source: Source
    residual: Residual
    normalisation: Normalisation
    smooth: bool
    pooling: Pooling


@dataclass(frozen=True, eq=False)
class Rule:
    """One row: how the tiles of a batch get their score, and all that others must know about it."""

    name: str
    words: str
    """For people and stores. ``{cells}`` is which cells count, ``{residual}`` the residual of the configuration,
    ``{pooling}`` and ``{map}`` are what it makes of a map."""
    numbers: str | None = None
    """``module:function`` of a `Measured` batch: the scores (B,), or the numbers (B, d) that are compared with what
    ``taught_by`` tiles taught. None: the rule's map is pooled."""
    shows: str | None = None
    """``module:function`` of a `Measured` batch: the map (B, m, m) that explains the score. None: the residual."""
    pieces: Pieces = field(default_factory=Pieces)
    """How map and pooling are made, where the rule and not the configuration says so."""
    cells: Literal["tissue", "all"] = "tissue"
    """Whether glass counts. With ``scoring.glass_level`` null there is none, and all cells count."""
    taught_by: Literal["train", "validation"] | None = None
    """Reference tiles that teach what is usual. *train*: many numbers need many tiles. *validation*: tiles that the
    auto-encoder has not seen. None: there is nothing to learn."""
    after: tuple[str, ...] = ()
    """Rules whose statistics ``numbers`` uses; they are learned before."""
    one_sided: bool = False
    """The score is an excess over the usual; otherwise a distance from it."""
    trained_by: Literal["cls"] | None = None
    """The loss, a switch of ``loss``, without which the rule asks a part of the model that was never trained."""
    display_range: tuple[float, float] | None = None
    """The ends of the colour bar, where the score itself has ends. None: they come from held-out tiles."""
    in_stores: bool = True
    """Every tile is scored by it, whichever rule the model names, and stores keep it."""
    auto_says: str | None = None
    """`AUTO` asks about this rule, and adds these words when it takes it. None: it is not asked about."""

    @property
    def open_pieces(self) -> frozenset[str]:
        """The settings that shape its score or its map."""
        pooled = {"pooling"} if self.numbers is None else set()
        of_residual = {"source", "normalisation"} if self.shows is None else set()
        return frozenset({"smooth", *of_residual, *pooled} - self.pieces.keys())

    @property
    def for_images(self) -> bool:
        """Whether labelled images (``wsi-haloae mvtec``) can be scored: nothing to learn, and a map of residuals."""
        return self.taught_by is None and self.shows is None


AUTO, CUSTOM, PAPER = "auto", "custom", "paper"
"""Not a rule: the training chooses one. / The rule that the other settings of ``scoring`` make up. / Its score stands
in a column of its own, ``score_paper``."""

_CODE = "wsi_haloae.scoring.rules"
_RESIDUAL: Pieces = {"source": "features", "residual": "mse", "normalisation": "none"}
_DISSIMILARITY: Pieces = {"source": "features", "residual": "ssim", "normalisation": "none"}
_LOST_STRUCTURE = f"{_CODE}.combined:lost_structure"

RULES: Mapping[str, Rule] = {
    rule.name: rule
    for rule in (
        Rule(
            PAPER,
            "mean over {cells} of A_fm",
            numbers=f"{_CODE}.paper:mean_residual",
            pieces={**_RESIDUAL, "pooling": "mean"},
            cells="all",
            in_stores=False,
        ),
        Rule("tissue", "mean over {cells} of A_fm", pieces={**_RESIDUAL, "pooling": "mean"}),
        Rule(
            "signed",
            "mean over {cells} of {residual} - mean training map",
            pieces={"source": "features", "normalisation": "signed", "pooling": "mean"},
            cells="all",
        ),
        Rule(
            "absolute",
            "mean over {cells} of |{residual} - mean training map|",
            pieces={"source": "features", "normalisation": "absolute", "pooling": "mean"},
        ),
        Rule("ssim", "mean over {cells} of (1 - SSIM)", pieces={**_DISSIMILARITY, "pooling": "mean"}),
        Rule(
            "ssim_p95",
            "95th percentile over {cells} of (1 - SSIM)",
            pieces={**_DISSIMILARITY, "pooling": "p95", "smooth": False},
        ),
        Rule(
            "p95",
            "95th percentile over {cells} of A_fm",
            pieces={**_RESIDUAL, "pooling": "p95", "smooth": False},
        ),
        Rule("max", "maximum over {cells} of A_fm", pieces={**_RESIDUAL, "pooling": "max", "smooth": False}),
        Rule(
            "layers",
            "Mahalanobis distance of the layers' log residuals over {cells}",
            numbers=f"{_CODE}.layers:residuals",
            taught_by="validation",
        ),
        Rule(
            "layers_ssim",
            "Mahalanobis distance of the layers' log residuals and dissimilarities over {cells}",
            numbers=f"{_CODE}.layers:residuals_and_dissimilarities",
            taught_by="validation",
        ),
        Rule(
            "structure",
            "1 - SSIM of the deepest layer over {cells}",
            numbers=f"{_CODE}.combined:structure",
            shows=_LOST_STRUCTURE,
        ),
        Rule(
            "profile",
            "Mahalanobis distance of the channels' log unexplained shares of variance over {cells}",
            numbers=f"{_CODE}.combined:profile",
            shows=_LOST_STRUCTURE,
            taught_by="train",
        ),
        Rule(
            "content",
            "Mahalanobis distance of the features' means over {cells}",
            numbers=f"{_CODE}.combined:content",
            shows=_LOST_STRUCTURE,
            taught_by="train",
            auto_says="here the auto-encoder does not help to tell them, so it is left out",
        ),
        Rule(
            "combined",
            "mean of the standardised logs of the rules structure, profile and content over {cells}",
            numbers=f"{_CODE}.combined:combined",
            shows=_LOST_STRUCTURE,
            taught_by="validation",
            after=("profile", "content"),
            one_sided=True,
            auto_says="",
        ),
        Rule(
            "classifier",
            "P(damaged) of the classifier",
            numbers=f"{_CODE}.classifier:damaged",
            trained_by="cls",
            display_range=(0.0, 1.0),
            in_stores=False,
        ),
        Rule(CUSTOM, "{pooling} over {cells} of {map}", in_stores=False),
    )
}
"""By name, in the order of the columns in stores. A model's statistics and stores go by these names."""


def candidates() -> tuple[str, ...]:
    """What `AUTO` chooses from. The first wins ties, and later rows, which build on others, come first."""
    return tuple(reversed([name for name, rule in RULES.items() if rule.auto_says is not None]))


def statistics_of(name: str) -> frozenset[str]:
    """The rules whose statistics a model must hold to score by rule ``name``: its own, and those it builds on."""
    rule = RULES[name]
    own = {name} if rule.taught_by else set()
    return frozenset(own).union(*(statistics_of(other) for other in rule.after))


def open_pieces(name: str) -> frozenset[str]:
    """The settings of ``scoring`` that shape the score or the map of a rule, or of those that `AUTO` chooses from."""
    asked = candidates() if name == AUTO else (name,)
    return frozenset(piece for one in asked for piece in RULES[one].open_pieces)


def check_rule(name: str) -> str:
    """The name itself; `ValueError` with a suggestion where neither a rule nor `AUTO` is called so."""
    known = [AUTO, *RULES]
    if name in known:
        return name
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]}?" if close else f"known: {', '.join(known)}"
    raise ValueError(f"no such rule; {hint}")
