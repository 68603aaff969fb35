"""The table of scoring rules: the one place that defines which rules there are, their names and what they need.

To add a rule, write its computation in a file of `wsi_haloae.scoring.rules`, and add a row here. The row names that
code as ``module:function``, and scoring imports it when it is needed. So this module needs no torch, and the
configuration can check rule names without importing the model.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, TypedDict

from wsi_haloae.nearest import nearest

Source = Literal["features", "image"]
Residual = Literal["mse", "ssim"]
Normalisation = Literal["absolute", "signed", "none"]
Pooling = Literal["mean", "p95", "max"]
Compared = Literal["none", "deepest", "all"]
"""The feature layers whose structure is compared with that of their reconstruction, by SSIM."""


class Pieces(TypedDict, total=False):
    """Settings of `ScoringConfig` that a rule fixes; the configuration cannot change them."""

    source: Source
    residual: Residual
    normalisation: Normalisation
    smooth: bool
    pooling: Pooling


@dataclass(frozen=True, eq=False)
class Rule:
    """One row: how a tile gets its score, and what other parts need to know about the rule."""

    name: str
    words: str
    """A description for people and stores. Placeholders: ``{cells}`` for the cells that count, ``{residual}`` for the
    configured residual, and ``{pooling}`` and ``{map}`` for how the map becomes a number."""
    numbers: str | None = None
    """``module:function`` that takes a `Measured` batch. It returns the scores (B,) or, with ``taught_by``, the numbers
    (B, d) that are compared with those of reference tiles. None: the score is pooled from the map, that of ``shows`` if
    there is one."""
    shows: str | None = None
    """``module:function`` that takes a `Measured` batch and returns the map (B, m, m) to show beside the score. None:
    the residual."""
    map_adds_up: bool = False
    """Whether the mean of the map over tissue cells is the score, if it is not pooled otherwise. Other maps show what
    the auto-encoder does not reconstruct, and the pages say so (`rule_words.map_words`)."""
    pieces: Pieces = field(default_factory=Pieces)
    """The settings that the rule fixes, from the residual to the map and the number."""
    cells: Literal["tissue", "all"] = "tissue"
    """Whether glass cells count. If ``scoring.glass_level`` is null, no cell is glass and all cells count."""
    taught_by: Literal["train", "validation"] | None = None
    """Which reference tiles the rule learns from. *train*: a rule with many numbers needs many tiles. *validation*:
    tiles that the auto-encoder has not seen. None: the rule learns nothing."""
    learner: str | None = None
    """``module:class`` of a `wsi_haloae.scoring.learning.Learner` that learns from all cells of reference tiles what
    ``shows`` needs; the score is pooled from that map. None: the rule learns from numbers of whole tiles."""
    asked_only: bool = False
    """True: it takes time that not everybody wants to spend on every tile, so it is learned and computed only for a
    model whose ``scoring.rule`` or ``scoring.also`` names it, or if `AUTO` may choose it."""
    after: tuple[str, ...] = ()
    """Rules whose statistics ``numbers`` uses; they are learned first."""
    in_metric: bool = False
    """True: the distance is in the metric of tiles' descriptors (`wsi_haloae.adaptation`), which all reference tiles
    teach and calibrate, and scores can be adapted to a slide. False: the rule learns a distribution of its own."""
    uses_autoencoder: bool = True
    """Whether the score depends on what the auto-encoder reconstructs. The pages take their sentences from here
    (`rule_words.autoencoder_words`)."""
    compared: Compared = "none"
    """What must be compared for the score or its map. *deepest* costs little; *all* takes a tenth of a tile's time, so
    stores keep such a rule only if it is the model's own or ``score --all-rules`` asks for it."""
    one_sided: bool = False
    """True: the score is how far the numbers lie above the usual. False: the distance from the usual."""
    trained_by: Literal["cls"] | None = None
    """The loss (a switch of ``loss``) that trains the part of the model this rule needs; without it the rule is
    refused."""
    display_range: tuple[float, float] | None = None
    """Fixed ends of the colour bar, for scores with a fixed range. None: the ends come from held-out tiles."""
    auto_says: str | None = None
    """Words for the training's message if `AUTO` chooses this rule. None: `AUTO` may not choose it."""

    @property
    def in_stores(self) -> bool:
        """Whether every tile may also get this rule's score in the store, whichever rule the model uses.

        Not so for the paper's rule, which has its own column; for `CUSTOM`, which means nothing without its settings;
        for rules that need blocks D and E, which run only if the model's own rule uses them; and for rules that must be
        asked for.
        """
        decodes = self.trained_by is not None or self.pieces.get("source") == "image"
        unasked = self.asked_only and self.auto_says is None
        return not (decodes or unasked or self.name in {PAPER, CUSTOM})

    @property
    def on_request(self) -> bool:
        """Whether a rule that is ``in_stores`` is computed only if it is the model's own, or all rules are wanted."""
        return self.compared == "all"

    @property
    def open_pieces(self) -> frozenset[str]:
        """The settings of ``scoring`` that change this rule's score or its map."""
        pooled = {"pooling"} if self.numbers is None else set()
        of_residual = {"source", "normalisation"} if self.shows is None else set()
        return frozenset({"smooth", *of_residual, *pooled} - self.pieces.keys())

    @property
    def measures_residual(self) -> bool:
        """Whether what the auto-encoder does not reconstruct is part of the score."""
        return self.uses_autoencoder and self.trained_by is None

    @property
    def spares_validation(self) -> bool:
        """Whether the score does not depend on *validation* tiles, so that they may calibrate it.

        The auto-encoder depends on them: they tell when its training stops.
        """
        return not self.uses_autoencoder and self.taught_by != "validation"

    @property
    def for_images(self) -> bool:
        """Whether it can score labelled images (``wsi-haloae mvtec``).

        It learns nothing, or from the cells of a few held-out images; and its score is pooled from the map that it
        shows, or its map is a residual.
        """
        learns_little = self.taught_by is None or self.learner is not None
        return learns_little and (self.shows is None or self.numbers is None)


AUTO = "auto"
"""Not a rule, but a value of ``scoring.rule``: training chooses a rule."""
CUSTOM = "custom"
"""The rule that is built from the other settings of ``scoring``."""
DESCRIPTOR = "descriptor"
"""The rule whose scores can be adapted to a slide."""
WHITENED = "whitened"
"""The rule that measures residuals by their covariance."""
PAPER = "paper"
"""The rule whose score has its own column, ``score_paper``."""

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
        Rule("ssim", "mean over {cells} of (1 - SSIM)", pieces={**_DISSIMILARITY, "pooling": "mean"}, compared="all"),
        Rule(
            "ssim_p95",
            "95th percentile over {cells} of (1 - SSIM)",
            pieces={**_DISSIMILARITY, "pooling": "p95", "smooth": False},
            compared="all",
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
            compared="all",
        ),
        Rule(
            "structure",
            "1 - SSIM of the deepest layer over {cells}",
            numbers=f"{_CODE}.combined:structure",
            shows=_LOST_STRUCTURE,
            compared="deepest",
        ),
        Rule(
            "profile",
            "Mahalanobis distance of the channels' log unexplained shares of variance over {cells}",
            numbers=f"{_CODE}.combined:profile",
            shows=_LOST_STRUCTURE,
            compared="deepest",
            taught_by="train",
        ),
        Rule(
            "content",
            "Mahalanobis distance of the features' means over {cells}",
            numbers=f"{_CODE}.combined:content",
            shows=f"{_CODE}.cell_shares:of_content",
            map_adds_up=True,
            taught_by="train",
            uses_autoencoder=False,
            auto_says="here the auto-encoder does not help to tell them apart, so it is left out",
        ),
        Rule(
            "combined",
            "mean of the standardised logs of the rules structure, profile and content over {cells}",
            numbers=f"{_CODE}.combined:combined",
            shows=_LOST_STRUCTURE,
            compared="deepest",
            taught_by="validation",
            after=("profile", "content"),
            one_sided=True,
            auto_says="",
        ),
        Rule(
            DESCRIPTOR,
            "Mahalanobis distance of the features' means and deviations over {cells}, in a metric that expects other "
            "stains, scanners and patients",
            numbers=f"{_CODE}.descriptor:descriptor",
            shows=f"{_CODE}.cell_shares:of_descriptor",
            map_adds_up=True,
            taught_by="train",
            uses_autoencoder=False,
            in_metric=True,
            auto_says="scores adapt to each slide; the auto-encoder is not part of them",
        ),
        Rule(
            "classifier",
            "P(damaged) of the classifier",
            numbers=f"{_CODE}.classifier:damaged",
            trained_by="cls",
            display_range=(0.0, 1.0),
        ),
        Rule(CUSTOM, "{pooling} over {cells} of {map}"),
        Rule(
            WHITENED,
            "{pooling} over {cells} of the squared residual, measured by the covariance of held-out residuals",
            shows=f"{_CODE}.whitened:whitened",
            learner=f"{_CODE}.whitened:CovarianceLearner",
            map_adds_up=True,
            pieces=_RESIDUAL,
            taught_by="validation",
            asked_only=True,
        ),
        Rule(
            "layers_apart",
            "{pooling} over {cells} of the largest residual of a layer, each standardised by held-out residuals",
            shows=f"{_CODE}.layers_apart:largest",
            learner=f"{_CODE}.layers_apart:ScaleLearner",
            map_adds_up=True,
            pieces=_RESIDUAL,
            taught_by="validation",
            asked_only=True,
        ),
        Rule(
            "cosine",
            "{pooling} over {cells} of 1 - cosine between features and reconstruction, mean over groups of layers",
            shows=f"{_CODE}.cosine:directions",
            map_adds_up=True,
            pieces=_RESIDUAL,
            asked_only=True,
        ),
    )
}
"""Rules by name, in the order of the columns in stores. Checkpoints and stores refer to rules by these names."""


def compared_by(rules: Iterable[Rule]) -> Compared:
    """What must be compared for all of these rules."""
    found = {rule.compared for rule in rules}
    return "all" if "all" in found else "deepest" if "deepest" in found else "none"


def candidates() -> tuple[str, ...]:
    """The rules that `AUTO` chooses from.

    The first wins a tie. Later rows come first, because they build on earlier ones.
    """
    return tuple(reversed([name for name, rule in RULES.items() if rule.auto_says is not None]))


def statistics_of(name: str) -> frozenset[str]:
    """All rules whose statistics a model needs to score by rule ``name``: the rule itself, and those it builds on."""
    rule = RULES[name]
    own = {name} if rule.taught_by else set()
    return frozenset(own).union(*(statistics_of(other) for other in rule.after))


def open_pieces(name: str) -> frozenset[str]:
    """The settings of ``scoring`` that change the score or map of rule ``name``; of all candidates, if it is `AUTO`."""
    names = candidates() if name == AUTO else (name,)
    return frozenset(piece for one in names for piece in RULES[one].open_pieces)


def check_rule(name: str) -> str:
    """Return ``name``; `ValueError` with a suggestion if it is neither a rule nor `AUTO`."""
    known = [AUTO, *RULES]
    if name in known:
        return name
    close = nearest(name, known)
    hint = f"did you mean {close}?" if close else f"known rules: {', '.join(known)}"
    raise ValueError(f"no such rule; {hint}")


def check_extra(name: str) -> str:
    """Return ``name``; `ValueError` if it is no rule that must be asked for."""
    extra = [one for one, rule in RULES.items() if rule.asked_only]
    if name not in extra:
        why = "every model has it already" if name in RULES else "no such rule"
        raise ValueError(f"{name}: {why}; rules that must be asked for: {', '.join(extra)}")
    return name
