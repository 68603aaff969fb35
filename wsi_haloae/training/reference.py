"""Reference tiles prepared for training: read, split by group, and described."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from wsi_haloae.config import AUTO, RULES, Config, candidates
from wsi_haloae.errors import UsageError
from wsi_haloae.features.seen_scale import scale_warning
from wsi_haloae.model.cost import require_memory
from wsi_haloae.model.haloae import check_tile_size
from wsi_haloae.progress import Reporter, with_noun
from wsi_haloae.provenance.fingerprints import file_sha256
from wsi_haloae.provenance.parts import PARTS
from wsi_haloae.tiles.reference import ReferenceReader, Stratum, choose_groups
from wsi_haloae.tiles.sources import CombinedSource
from wsi_haloae.training.identity import WEIGHTS, Identity, identity_of
from wsi_haloae.training.outlook import describe_outlook
from wsi_haloae.training.split import Split, split_by_group, unit_of
from wsi_haloae.training.trainer import plan_steps


@dataclass(frozen=True)
class Reference:
    """Reference tiles, the group of each, and their split.

    ``balance`` is the kind of stratum (slide, patient or site) that appears equally often in training, and ``strata``
    has the stratum of each training tile; both are None without balancing. ``patients`` has the patient of each tile,
    None where nothing names one.
    """

    source: CombinedSource
    groups: Sequence[str]
    split: Split
    balance: Stratum | None
    strata: Sequence[str] | None
    patients: Sequence[str | None]

    @classmethod
    def read(
        cls,
        reader: ReferenceReader,
        sources: Sequence[str],
        config: Config,
        balance: Stratum | None,
        reporter: Reporter,
    ) -> Self:
        """Read all sources and split them by the configured shares; `UsageError` if they are too few."""
        if balance is not None:
            reader.require_strata(sources, balance)
        source = reader.read(sources)
        check_tile_size(config.model, source.tile_size)
        require_memory(config.model, source.tile_size)
        if warning := scale_warning(config.model, source.tile_size, source.mpp):
            reporter.warn(warning)
        groups = choose_groups(source, len(PARTS), reporter.warn)
        split = split_by_group(groups, config.split, config.training.seed, reader.fixed_parts())
        if len(split.tiles["validation"]) < 2:
            raise UsageError(
                "the colour scale needs at least two held-out (validation) tiles; add more groups or images."
            )
        patients = reader.patients(source)
        if balance is None:
            return cls(source, groups, split, None, None, patients)
        strata = reader.strata(source, balance)
        return cls(source, groups, split, balance, [strata[number] for number in split.tiles["train"]], patients)

    def identity(self, config: Config, weights: Path | None) -> Identity:
        """Configuration, tiles, their order and weights: an interrupted training resumes only with these."""
        parts = {part: [self.split.groups[part], self.split.tiles[part].tolist()] for part in PARTS}
        inputs = {
            "reference tiles": self.source.digest(),
            "tile size": self.source.tile_size,
            "pixel size": self.source.mpp,
            WEIGHTS: file_sha256(weights) if weights else None,
            "--balance": self.balance,
            "groups or split": hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest(),
        }
        if self.source.colour_profile != "ignore":  # trainings from before there was a choice do not mention it
            inputs["--colour-profile"] = self.source.colour_profile
        return identity_of(config, **inputs)

    @property
    def blocks(self) -> bool:
        """Whether blocks of neighbouring tiles are the groups, because slides or patients are too few."""
        return self.groups != self.source.groups

    def describe(self, config: Config) -> Iterator[str]:
        """Lines about the tiles and the training, printed before it begins."""
        source, split = self.source, self.split
        per_epoch, steps = plan_steps(config, len(split.tiles["train"]))
        colours = ", converted to sRGB" if source.colour_profile == "apply" else ""
        yield f"reference tiles: {len(source.groups):,} of {source.tile_size} px at {source.mpp:.4g} µm/px{colours}"
        averaged = config.model.input_downsample
        if averaged > 1:
            yield (
                f"  the model averages {averaged} x {averaged} pixels to one, so it sees them at "
                f"{averaged * source.mpp:.4g} µm/px (model.input_downsample)"
            )
        unit = unit_of(self.groups, source)
        by = "block of neighbouring tiles" if self.blocks else "group (patient, slide or image)"
        rule = RULES[candidates()[0] if config.scoring.rule == AUTO else config.scoring.rule]
        by_all = f" (scores by {rule.name} are calibrated by all parts)" if rule.in_metric else ""
        yield f"split by {by}: {split.describe(unit)}{by_all}"
        yield from describe_outlook(split, self.groups, source.blocks, config, unit)
        if self.strata is not None:
            yield f"{len(set(self.strata))} {self.balance}s in training, each of them equally often"
        yield f"training: {with_noun(steps, 'step')}, {per_epoch:,} per epoch"
