"""Finds the sets of images that a user names: in MVTec's layout, or in the user's own folders."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from wsi_haloae.errors import UsageError
from wsi_haloae.mvtec.image_set import ImageSet, find_folders, find_mvtec, list_categories


def find_image_sets(
    root: Path | None,
    categories: Sequence[str],
    reference_dir: Path | None,
    test_dir: Path | None,
    mask_dir: Path | None,
    *,
    everything: bool,
) -> list[ImageSet]:
    """The sets of images to use; `UsageError` for options that contradict each other."""
    own = reference_dir, test_dir
    if root is None:
        if reference_dir is None or test_dir is None:
            raise UsageError("give ROOT with --category or --all, or both --reference-dir and --test-dir.")
        if categories or everything:
            raise UsageError("--category and --all need ROOT; --reference-dir names a single set of images.")
        return [find_folders(reference_dir, test_dir, mask_dir)]
    if any(own) or mask_dir:
        raise UsageError("ROOT and --reference-dir/--test-dir/--mask-dir both name images; give one or the other.")
    there = list_categories(root)
    if everything == bool(categories):
        raise UsageError(
            f"{root}: name categories with --category, or use --all. Categories found: {', '.join(there) or 'none'}."
        )
    if everything and not there:
        raise UsageError(f"{root}: no folder in it contains train/good, so there is no category to evaluate.")
    return [find_mvtec(root, name) for name in (there if everything else dict.fromkeys(categories))]
