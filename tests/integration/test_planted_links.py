"""A folder from elsewhere with links in it: no command writes through one, whatever its name, and all end as ever.

The names are those of everything that quiet runs leave, with what unfinished files were ever called after them.
"""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from tests.integration.conftest import TINY, Tiny
from tests.integration.test_score import digests, score
from wsi_haloae.cli.main import run
from wsi_haloae.synthetic.slide import write_synthetic_slide

HEX = "0123456789abcdef"
UNFINISHED = (".partial", ".old", f".{HEX}.partial", f".{HEX}.old", ".tmp")
FOLDER = re.compile(r".*\.zarr|gallery|one$|two$|tiles$|evaluation$")
GONE = (".lock-holder", "gallery", "gallery.zarr", "scores.zarr", "tiles.zarr", "tiles.h5ad", "state.pt", ".begun")
"""What is there only while a command runs, or with other options."""


class Victim:
    """Somebody's files and folders, to which links are planted."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.folder, self._owned = folder, set[Path]()

    def plant(self, place: Path) -> None:
        """A link to a file of its own, or to a folder where a folder belongs."""
        target = self.folder / str(len(self._owned))
        if FOLDER.match(place.name):
            (target / "c").mkdir(parents=True)
            (target / "zarr.json").write_text("mine")
            self._owned |= {target, target / "c", target / "zarr.json"}
        else:
            target.write_text("mine")
            self._owned.add(target)
        if place.is_dir() and not place.is_symlink():
            shutil.rmtree(place)
        place.unlink(missing_ok=True)
        place.symlink_to(target)

    def assert_unharmed(self) -> None:
        assert len(self._owned) > 20
        assert set(self.folder.rglob("*")) == self._owned
        assert {path.read_text() for path in self._owned if path.is_file()} == {"mine"}


@pytest.fixture
def victim(tmp_path: Path) -> Iterator[Victim]:
    planted = Victim(tmp_path / "home")
    yield planted
    planted.assert_unharmed()


@pytest.fixture(scope="module")
def quiet(tiny: Tiny, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two slides scored one by one, judged, and exported in every format."""
    folder = tmp_path_factory.mktemp("quiet")
    for seed, name in enumerate(("one", "two")):
        truth = write_synthetic_slide(folder / f"{name}.tif", width=1024, height=1024, seed=seed)
        truth.write_geojson(folder / f"{name}.geojson")
        assert score(tiny, folder / "out", slide=folder / f"{name}.tif") == 0
    assert run(evaluation(folder / "out", folder)) == 0
    assert run(["export", str(folder / "out"), "-q"]) == 0
    return folder


def evaluation(out: Path, annotations: Path) -> list[str]:
    return ["evaluate", str(out), "--annotations", str(annotations), "--reference", "Tumor", "-q"]


def unfinished(names: Iterable[str]) -> list[str]:
    return [f"{name}{suffix}" for name in names for suffix in UNFINISHED]


def names_in(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} | set(GONE)


def plant_unfinished(victim: Victim, here: Path, as_in: Path) -> None:
    here.mkdir(parents=True, exist_ok=True)
    for name in unfinished(names_in(as_in)):
        victim.plant(here / name)


def planted(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir() if path.is_symlink()}


def test_score(tiny: Tiny, quiet: Path, victim: Victim, tmp_path: Path) -> None:
    """Into a folder with one slide: the tables of several slides are written too."""
    out = tmp_path / "out"
    shutil.copytree(quiet / "out" / "one", out / "one")
    for place in (out, out / "one", out / "two"):
        plant_unfinished(victim, place, quiet / "out" / place.relative_to(out))
    files = [path for path in (quiet / "out").iterdir() if path.is_file()]
    files += [path for path in (quiet / "out" / "two").iterdir() if path.name != "scores.zarr"]
    for path in files:
        if path.name != ".lock":
            victim.plant(out / path.relative_to(quiet / "out"))
    assert score(tiny, out, "--keep-tiles", slide=quiet / "two.tif") == 0
    assert score(tiny, out, slide=quiet / "one.tif") == 0
    for name in ("one", "two"):
        left = {place: digest for place, digest in digests(out / name).items() if not planted_below(out / name, place)}
        tiles = {place for place in left if place.startswith("tiles.zarr")}
        assert {place: left[place] for place in left.keys() - tiles} == digests(quiet / "out" / name)
        assert planted(out / name) == set(unfinished(names_in(quiet / "out" / name))), "neither used nor removed"
    assert planted(out) == set(unfinished(names_in(quiet / "out")))
    assert {"slides.csv", "montage.png", "cohort.html", "index.html"} <= {path.name for path in out.iterdir()}


def planted_below(folder: Path, place: str) -> bool:
    return (folder / place.partition("/")[0]).is_symlink()


def test_export(quiet: Path, victim: Victim, tmp_path: Path) -> None:
    out = tmp_path / "out"
    shutil.copytree(quiet / "out", out)
    for place in (out, out / "one"):
        plant_unfinished(victim, place, quiet / "out" / place.relative_to(out))
    for path in (quiet / "out" / "one").iterdir():
        if path.name not in {".lock", "scores.zarr", "run.json"}:
            victim.plant(out / "one" / path.name)
    for name in ("index.html", "import_project.groovy", "export_annotations.groovy"):
        victim.plant(out / name)
    assert run(["export", str(out), "-q"]) == 0
    assert planted(out / "one") == set(unfinished(names_in(quiet / "out" / "one")))
    left = {place: digest for place, digest in digests(out / "one").items() if not planted_below(out / "one", place)}
    assert left == digests(quiet / "out" / "one")


def test_evaluate(quiet: Path, victim: Victim, tmp_path: Path) -> None:
    out = tmp_path / "out"
    shutil.copytree(quiet / "out", out)
    for place in (out, out / "evaluation"):
        plant_unfinished(victim, place, quiet / "out" / place.relative_to(out))
    for path in (quiet / "out" / "evaluation").iterdir():
        if path.name != ".lock":
            victim.plant(out / "evaluation" / path.name)
    assert run(evaluation(out, quiet)) == 0
    assert planted(out / "evaluation") == set(unfinished(names_in(quiet / "out" / "evaluation")))
    for name in ("evaluation.json", "roc.png"):
        assert (out / "evaluation" / name).read_bytes() == (quiet / "out" / "evaluation" / name).read_bytes()


def test_train_tiles(tiny: Tiny, victim: Victim, tmp_path: Path) -> None:
    trained, out = tiny.model.parent, tmp_path / "out"
    tiles = Path("model.training/tiles/tiny")
    for place in (out, out / "model.training", out / tiles):
        plant_unfinished(victim, place, trained / place.relative_to(out))
    for place in (Path("model.training"), tiles):
        for path in (trained / place).iterdir():
            if path.name not in {".lock", "tiles", "tiles.zarr"}:
                victim.plant(out / place / path.name)
    command = ["train-tiles", str(tiny.slide), "-o", str(out / "model.safetensors"), "--annotations", str(tiny.truth)]
    command += ["--class", "Tumor", "--tile-size", "64", *TINY, "-q"]
    victim.plant(out / "model.training" / "state.pt")
    assert run(command) == 2, "an interrupted training of elsewhere is not gone on with"
    (out / "model.training" / "state.pt").unlink()
    assert run(command) == 0
    assert (out / "model.safetensors").read_bytes() == tiny.model.read_bytes()
    assert not (planted(out / "model.training") - set(unfinished(names_in(trained / "model.training"))))


def linked_lock(out: Path, victim: Victim) -> None:
    for name in ("one", "two"):
        victim.plant(out / name / ".lock")


def linked_folder(out: Path, victim: Victim) -> None:
    for name in ("one", "two"):
        moved = out.with_name(f"away-{name}")
        (out / name).rename(moved)
        (out / name).symlink_to(moved)


def linked_store(out: Path, victim: Victim) -> None:
    for name in ("one", "two"):
        store = out / name / "scores.zarr"
        moved = out.with_name(f"away-{name}.zarr")
        store.rename(moved)
        store.symlink_to(moved)


def linked_chunk(out: Path, victim: Victim) -> None:
    for name in ("one", "two"):
        [chunk] = (out / name / "scores.zarr" / "thumbnail" / "c" / "0" / "0").iterdir()
        victim.plant(chunk)


@pytest.mark.parametrize("change", [linked_lock, linked_folder, linked_store, linked_chunk])
def test_what_cannot_be_replaced_is_refused(
    change: Callable[[Path, Victim], None],
    tiny: Tiny,
    quiet: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    out, victim = tmp_path / "out", Victim(tmp_path / "home")
    shutil.copytree(quiet / "out", out)
    change(out, victim)
    before = tree(tmp_path)
    assert score(tiny, out, slide=quiet / "one.tif") == 2
    assert "symbolic link" in capsys.readouterr().err
    if change is not linked_store:  # reading through a link is no harm
        assert run(["export", str(out), "-q"]) == 2
        assert "symbolic link" in capsys.readouterr().err
    after = tree(tmp_path)
    away = {place for place in before if place.startswith(("home", "away"))}
    assert {place: after[place] for place in away} == {place: before[place] for place in away}
    assert {place for place in after if place.startswith(("home", "away"))} == away


def test_a_folder_that_the_user_names_may_be_a_link(quiet: Path, tmp_path: Path) -> None:
    shutil.copytree(quiet / "out", tmp_path / "real")
    (tmp_path / "out").symlink_to("real")
    (tmp_path / "slide").symlink_to("real/one")
    (tmp_path / "judged").symlink_to("real/evaluation")
    assert run(["export", str(tmp_path / "out"), "-q"]) == 0
    assert run(["export", str(tmp_path / "slide"), "-q"]) == 0
    assert run([*evaluation(tmp_path / "out", quiet), "-o", str(tmp_path / "judged")]) == 0


def test_an_evaluation_of_elsewhere_is_refused(quiet: Path, tmp_path: Path) -> None:
    shutil.copytree(quiet / "out", tmp_path / "out")
    (tmp_path / "out" / "evaluation").rename(tmp_path / "away")
    (tmp_path / "out" / "evaluation").symlink_to("../away")
    before = tree(tmp_path / "away")
    assert run(evaluation(tmp_path / "out", quiet)) == 2
    assert tree(tmp_path / "away") == before


def tree(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not path.is_symlink()
    }
