"""From reference tiles to their fingerprints: folders of images, tile stores, and the patients that a user names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.stores.make import SIDE, make_tile_store
from tests.training.tiles import MemorySource
from wsi_haloae.config import TissueConfig, load_config
from wsi_haloae.errors import UsageError
from wsi_haloae.progress import Reporter
from wsi_haloae.provenance.parts import PARTS, UNUSED
from wsi_haloae.stores.sharded import TileState
from wsi_haloae.tiles.known import known_images
from wsi_haloae.tiles.reference import ReferenceOptions, ReferenceReader, choose_groups
from wsi_haloae.tiles.tiling import TilingSettings
from wsi_haloae.training.reference import Reference
from wsi_haloae.training.split import Split, split_by_group
from wsi_haloae.training.trained_on import trained_on

QUIET = Reporter(quiet=True)


def read(sources: list[Path], options: ReferenceOptions, folder: Path) -> Reference:
    """As `Reference.read`, without a model that the tiles must suit."""
    reader = ReferenceReader(options, TissueConfig(), folder, QUIET)
    source = reader.read([str(path) for path in sources])
    groups = choose_groups(source, len(PARTS), QUIET.warn)
    split = split_by_group(groups, load_config("demo").split, 0, reader.fixed_parts())
    return Reference(source, groups, split, None, None, reader.patients(source))


def part_of(split: Split, tile: int) -> int:
    return next(number for number, part in enumerate(PARTS, 1) if tile in split.tiles[part])


def images(folder: Path, count: int) -> list[Path]:
    """Image n is of patient n // 2."""
    folder.mkdir()
    files = [folder / f"p{number // 2:02d}_{number}.png" for number in range(count)]
    for file, tile in zip(files, MemorySource(count, size=8).tiles, strict=True):
        Image.fromarray(tile).save(file)
    return files


def test_images_and_their_patients_are_known(tmp_path: Path) -> None:
    files = images(tmp_path / "tiles", 20)
    options = ReferenceOptions(TilingSettings(), mpp=0.5, group_regex="^p[0-9]+")
    reference = read([tmp_path / "tiles"], options, tmp_path)
    known = trained_on(reference, QUIET)
    expected = [part_of(reference.split, tile) for tile in range(20)]
    assert known_images(known, sorted(files)).tolist() == expected
    for patient in range(10):
        assert known.use_of("any slide", f"p{patient:02d}").patient == (PARTS[expected[2 * patient] - 1],)
    assert known.use_of("any slide", "p10").patient == ()
    new = images(tmp_path / "new", 22)[20:]
    assert known_images(known, new).tolist() == [UNUSED, UNUSED]


def store(folder: Path, count: int, fingerprint: str) -> Path:
    """A finished store of a slide's folder; one of its tiles is unreadable."""
    made = make_tile_store(folder / "tiles.zarr", count, fingerprint=fingerprint)
    for shard in range(made.shards):
        place = made.shard_slice(shard)
        states = np.full(place.stop - place.start, TileState.DONE, np.uint8)
        states[1] = TileState.UNREADABLE
        made.write_shard(shard, np.zeros((len(states), SIDE, SIDE, 3), np.uint8), states)
    made.assemble()
    return made.path


@pytest.fixture
def stores(tmp_path: Path) -> list[Path]:
    return [store(tmp_path / name, 30, name * 64) for name in "abc"]


def test_tiles_of_stores_are_known_by_fingerprint_and_place(stores: list[Path], tmp_path: Path) -> None:
    reference = read(stores, ReferenceOptions(TilingSettings()), tmp_path)
    known = trained_on(reference, QUIET)
    start = 0
    for source, name in zip(reference.source.parts, "abc", strict=True):
        [cells] = known.use_of(name * 64, None).tiles
        parts, index = cells.parts(), source.index
        own = parts[index.row - cells.first_row, index.column - cells.first_column]
        assert own.tolist() == [part_of(reference.split, start + tile) for tile in range(29)]
        assert np.count_nonzero(parts) == 29, "an unreadable tile was not used"
        start += 29
    assert known.use_of("d" * 64, None).slide == {}
    assert known.facts.patients == {}, "slides that nobody named are no patients"


def test_a_manifest_names_patients(stores: list[Path], tmp_path: Path) -> None:
    """All three slides are here of one name, so a manifest tells them apart by their folders."""
    rows = [f"{path.parent},{patient}" for path, patient in zip(stores, ("Ann", "Ben", "NA"), strict=True)]
    (tmp_path / "study.csv").write_text("path,patient\n" + "\n".join(rows))
    options = ReferenceOptions(TilingSettings(), manifest=tmp_path / "study.csv")
    reference = read(stores, options, tmp_path)
    assert reference.patients == ["Ann"] * 29 + ["Ben"] * 29 + [None] * 29
    known = trained_on(reference, QUIET)
    assert {name: bool(known.use_of("", name).patient) for name in ("Ann", "Ben", "Cid")} == {
        "Ann": True, "Ben": True, "Cid": False,
    }  # fmt: skip


def test_an_image_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    [file, *_] = images(tmp_path / "tiles", 20)
    known = trained_on(read([tmp_path / "tiles"], ReferenceOptions(TilingSettings(), mpp=0.5), tmp_path), QUIET)
    file.write_bytes(b"no image")
    with pytest.raises(UsageError, match="cannot be read"):
        known_images(known, [file])
