"""Whole or not there, whatever happens and whoever planted links: files, folders, logs."""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from wsi_haloae import atomic
from wsi_haloae.atomic import (
    appending,
    is_temporary,
    new_tree,
    own_folder,
    read_own,
    recover,
    recover_tree,
    remove,
    remove_leftovers,
    replacing,
    replacing_tree,
    write_text,
)
from wsi_haloae.errors import OutputExistsError

NAME = "map.ome.zarr"
OLD, NEW = ({"zarr.json": f"{age} header", "c/0/0": f"{age} chunk"} for age in ("old", "new"))
CALLS = ("mkdir", "replace", "rename", "unlink", "rmdir", "lstat", "stat", "scandir", "listdir", "open", "close")
"""What `atomic` asks of the system, by itself or through pathlib and shutil."""
HEX = "0123456789abcdef"


def fill(folder: Path, contents: dict[str, str]) -> None:
    for name, text in contents.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def contents(folder: Path) -> dict[str, str]:
    return {
        path.relative_to(folder).as_posix(): path.read_text() for path in sorted(folder.rglob("*")) if path.is_file()
    }


def replace_map(folder: Path) -> None:
    with replacing_tree(folder / NAME) as partial:
        fill(partial, NEW)


def put_right_and_check(folder: Path, before: bool) -> None:
    """After the one call that the next run makes, one of the two is there, and nothing beside it."""
    recover_tree(folder / NAME)
    if before or (folder / NAME).exists():
        assert contents(folder / NAME) in (OLD, NEW)
    recover(folder)
    assert [path.name for path in folder.iterdir()] in ([NAME], [] if not before else [NAME])


class Counted:
    """Calls of the system from now on, the ``chosen`` one of which ends in ``act``, ahead of its effect or after it."""

    def __init__(self, act: Callable[[], object], chosen: int = -1, *, after: bool = False) -> None:
        self.act, self.chosen, self.after, self.count = act, chosen, after, 0

    def wrap(self, plain: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            here = self.count == self.chosen
            self.count += 1
            if here and not self.after:
                self.act()
            result = plain(*arguments, **options)
            if here and self.after:
                if hasattr(result, "close"):
                    result.close()  # a folder that is being read
                self.act()
            return result

        return call

    @contextmanager
    def watching(self) -> Iterator[None]:
        plain = {name: getattr(os, name) for name in CALLS}
        try:
            for name, call in plain.items():
                setattr(os, name, self.wrap(call))
            yield
        finally:
            for name, call in plain.items():
                setattr(os, name, call)


def fail() -> None:
    raise OSError(errno.EIO, "torn")


def interrupt() -> None:
    raise KeyboardInterrupt


def calls_of_a_replacement(folder: Path) -> int:
    counted = Counted(fail)
    with counted.watching():
        replace_map(folder)
    assert counted.count > 20
    return counted.count


@pytest.mark.parametrize("before", [True, False], ids=["an old one", "none yet"])
@pytest.mark.parametrize("after", [False, True], ids=["ahead of its effect", "after it"])
@pytest.mark.parametrize("act", [fail, interrupt])
def test_a_folder_survives_a_failure_of_every_call(
    act: Callable[[], object], after: bool, before: bool, tmp_path: Path
) -> None:
    fill(tmp_path / "count" / NAME, OLD)
    for number in range(calls_of_a_replacement(tmp_path / "count")):
        folder = tmp_path / str(number)
        folder.mkdir()
        if before:
            fill(folder / NAME, OLD)
        with suppress(OSError, KeyboardInterrupt), Counted(act, number, after=after).watching():
            replace_map(folder)
        put_right_and_check(folder, before)


def test_a_folder_survives_a_kill_at_every_call(tmp_path: Path) -> None:
    fill(tmp_path / "count" / NAME, OLD)
    number, killed = 0, True
    for number in range(calls_of_a_replacement(tmp_path / "count")):
        folder = tmp_path / str(number)
        fill(folder / NAME, OLD)
        child = os.fork()
        if not child:
            with Counted(lambda: os._exit(9), number).watching():
                replace_map(folder)
            os._exit(0)
        killed = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 9
        put_right_and_check(folder, before=True)
    assert killed, "the last call too"


def test_a_folder_survives_ctrl_c_at_every_step_of_the_interpreter(tmp_path: Path) -> None:
    """Python delivers it between any two of its instructions."""
    number, interrupted = 0, True
    while interrupted:
        folder = tmp_path / str(number)
        fill(folder / NAME, OLD)
        interrupted = _interrupted_at(number, lambda folder=folder: replace_map(folder))
        put_right_and_check(folder, before=True)
        number += 1
    assert number > 200


def _interrupted_at(chosen: int, work: Callable[[], None]) -> bool:
    """Whether ``work`` came as far as the chosen instruction of `atomic`, and was interrupted there."""
    count = 0

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal count
        if frame.f_code.co_filename != atomic.__file__:
            return None
        frame.f_trace_opcodes = True
        if event == "call":
            sys.settrace(trace)  # Python 3.12 heeds the line before only now
        if event == "opcode":
            count += 1
            if count > chosen:
                sys.settrace(None)
                raise KeyboardInterrupt
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    except KeyboardInterrupt:
        return True
    finally:
        sys.settrace(before)
    return False


def test_an_error_while_it_is_filled_leaves_the_old_one(tmp_path: Path) -> None:
    fill(tmp_path / NAME, OLD)
    with pytest.raises(KeyboardInterrupt), replacing_tree(tmp_path / NAME) as partial:
        fill(partial, NEW)
        raise KeyboardInterrupt
    assert contents(tmp_path) == {f"{NAME}/{name}": text for name, text in OLD.items()}


def test_a_new_folder_does_not_take_anothers_place(tmp_path: Path) -> None:
    fill(tmp_path / NAME, OLD)
    with pytest.raises(OSError, match="not empty"), new_tree(tmp_path / NAME) as partial:
        fill(partial, NEW)
    assert contents(tmp_path) == {f"{NAME}/{name}": text for name, text in OLD.items()}


def test_a_file_is_old_or_new(tmp_path: Path) -> None:
    write_text(tmp_path / "below" / "slides.csv", "old")
    with pytest.raises(OSError, match="full"), replacing(tmp_path / "below" / "slides.csv") as partial:
        partial.write_text("half")
        raise OSError("full")
    assert contents(tmp_path) == {"below/slides.csv": "old"}
    write_text(tmp_path / "below" / "slides.csv", "new")
    assert contents(tmp_path) == {"below/slides.csv": "new"}


def test_a_temporary_file_is_nobody_elses_and_has_the_name_of_its_target(tmp_path: Path) -> None:
    """Writers that look at a name, or write it down, give the same bytes each time."""
    with replacing(tmp_path / "slides.csv") as one, replacing(tmp_path / "slides.csv") as other:
        assert one.name == other.name == "slides.csv"
        assert one.parent != other.parent
        assert stat.S_IMODE(one.parent.stat().st_mode) == 0o700
        assert is_temporary(one.parent.name)
        one.write_text("one")
        other.write_text("other")


def test_a_file_keeps_the_mode_that_the_user_wants(tmp_path: Path) -> None:
    before = os.umask(0o002)
    try:
        write_text(tmp_path / "slides.csv", "")
        with replacing_tree(tmp_path / NAME) as partial:
            partial.mkdir()
        with appending(tmp_path / "score.log") as log:
            log.write("begun\n")
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert modes == {"slides.csv": 0o664, NAME: 0o775, "score.log": 0o664}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become others")
def test_colleagues_share_a_folder_of_their_group(tmp_path: Path) -> None:
    """Set-group-id and umask 002: what one has written the other replaces, and both belong to the group."""
    group, users = 23456, (12345, 12346)
    for parent in (tmp_path, *tmp_path.parents[:-2]):
        parent.chmod(0o755)
    shared = tmp_path / "shared"
    shared.mkdir()
    os.chown(shared, 0, group)
    shared.chmod(0o2775)
    for user in users:
        child = os.fork()
        if not child:
            os.umask(0o002)
            os.setgroups([group])
            os.setgid(user)
            os.setuid(user)
            own_folder(shared / "slide")
            write_text(shared / "slide" / "run.json", str(user))
            with replacing_tree(shared / "slide" / NAME) as partial:
                fill(partial, {"zarr.json": str(user)})
            with appending(shared / "slide" / "score.log") as log:
                log.write(f"{user}\n")
            os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert contents(shared / "slide") == {
        "run.json": "12346", f"{NAME}/zarr.json": "12346", "score.log": "12345\n12346\n",
    }  # fmt: skip
    assert {path.stat().st_gid for path in shared.rglob("*")} == {group}


class TestLinks:
    """What others planted is neither followed nor taken over."""

    @pytest.fixture
    def victim(self, tmp_path: Path) -> Iterator[Path]:
        folder = tmp_path / "home"
        fill(folder, {"mail": "dear", "store/zarr.json": "mine", "store/c/0/0": "mine"})
        (tmp_path / "out").mkdir()
        yield folder
        assert contents(folder) == {"mail": "dear", "store/zarr.json": "mine", "store/c/0/0": "mine"}

    @pytest.fixture
    def out(self, victim: Path) -> Path:
        return victim.parent / "out"

    @pytest.mark.parametrize("suffix", ["", ".partial", ".old", f".{HEX}.partial", f".{HEX}.old"])
    @pytest.mark.parametrize("target", ["mail", "store", "nothing"])
    def test_neither_a_file_nor_a_folder_is_written_through_one(
        self, target: str, suffix: str, victim: Path, out: Path
    ) -> None:
        for name in ("slides.csv", NAME):
            (out / f"{name}{suffix}").symlink_to(victim / target)
        write_text(out / "slides.csv", "new")
        replace_map(out)
        recover(out)
        assert contents(out / NAME) == NEW
        assert not (out / "slides.csv").is_symlink()
        assert (out / "slides.csv").read_text() == "new"
        if suffix:
            assert (out / f"slides.csv{suffix}").is_symlink(), "it is not ours to remove"
        assert not (victim / "nothing").exists()

    def test_a_new_folder_takes_the_place_of_one(self, victim: Path, out: Path) -> None:
        (out / NAME).symlink_to(victim / "store")
        with new_tree(out / NAME) as partial:
            fill(partial, NEW)
        assert contents(out / NAME) == NEW

    def test_removing_one_leaves_what_it_leads_to(self, victim: Path, out: Path) -> None:
        for name, target in (("file", "mail"), ("folder", "store"), ("dangling", "nothing")):
            (out / name).symlink_to(victim / target)
            remove(out / name)
        assert not list(out.iterdir())

    def test_a_log_goes_on_only_in_a_file_of_its_own(self, victim: Path, out: Path) -> None:
        (out / "soft.log").symlink_to(victim / "mail")
        (out / "hard.log").hardlink_to(victim / "mail")
        os.mkfifo(out / "pipe.log")
        (out / "own.log").write_text("first\n")
        for name in ("soft", "hard", "pipe", "own", "none"):
            with appending(out / f"{name}.log") as log:
                log.write("last\n")
        assert contents(out) == {
            f"{name}.log": "first\nlast\n" if name == "own" else "last\n"
            for name in ("soft", "hard", "pipe", "own", "none")
        }

    def test_what_a_run_left_is_not_read_through_one_nor_from_a_pipe(self, victim: Path, out: Path) -> None:
        (out / "run.json").symlink_to(victim / "mail")
        os.mkfifo(out / "cohort.csv")
        for name in ("run.json", "cohort.csv", ".", "nothing"):
            with pytest.raises(OSError):  # each system has its own words
                read_own(out / name)
        (out / "own").write_bytes(b"\xff\n")
        assert read_own(out / "own") == b"\xff\n"

    def test_a_folder_of_ours_is_none(self, victim: Path, out: Path) -> None:
        (out / "slide").symlink_to(victim / "store")
        with pytest.raises(OutputExistsError, match=r"slide: is a symbolic link.*Remove the link"):
            own_folder(out / "slide")
        own_folder(out / "other" / "slide")
        assert (out / "other" / "slide").is_dir()


class TestRecovery:
    def test_only_what_a_killed_run_of_this_user_left_is_removed(self, tmp_path: Path) -> None:
        others = ["slides.csv.partial", "video.mp4.old", f"notes.{HEX}.txt", f"x{HEX}.partial"]
        for name in others:
            fill(tmp_path / name, {"a": "theirs"})
        (tmp_path / f"a.{HEX}.partial").write_text("a file: no run leaves one")
        fill(tmp_path / f"slides.csv.{HEX}.partial", {"slides.csv": "half"})
        fill(tmp_path / f"model.safetensors.{HEX}.partial", {"model.safetensors": "half"})
        remove_leftovers(tmp_path / "model.safetensors")
        assert {path.name for path in tmp_path.iterdir()} == {
            *others, f"a.{HEX}.partial", f"slides.csv.{HEX}.partial",
        }  # fmt: skip
        recover(tmp_path)
        assert {path.name for path in tmp_path.iterdir()} == {*others, f"a.{HEX}.partial"}
        recover(tmp_path / "no folder")

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root may give files away")
    def test_another_users_unfinished_work_stays(self, tmp_path: Path) -> None:
        theirs = tmp_path / f"slides.csv.{HEX}.partial"
        fill(theirs, {"slides.csv": "half"})
        os.chown(theirs, 12345, 12345)
        recover(tmp_path)
        assert contents(theirs) == {"slides.csv": "half"}

    @pytest.mark.parametrize("call", [recover, lambda folder: recover_tree(folder / NAME)])
    def test_a_folder_that_a_kill_left_aside_gets_its_name_back(
        self, call: Callable[[Path], None], tmp_path: Path
    ) -> None:
        fill(tmp_path / f"{NAME}.{HEX}.old", OLD)
        call(tmp_path)
        assert contents(tmp_path) == {f"{NAME}/{name}": text for name, text in OLD.items()}

    def test_one_whose_place_is_taken_goes(self, tmp_path: Path) -> None:
        fill(tmp_path / f"{NAME}.{HEX}.old", OLD)
        fill(tmp_path / NAME, NEW)
        recover(tmp_path)
        assert contents(tmp_path) == {f"{NAME}/{name}": text for name, text in NEW.items()}


class TestAsOnWindows:
    """What Windows does otherwise, as far as another system can show it."""

    @pytest.fixture(autouse=True)
    def windows(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(atomic, "_WINDOWS", True)
        monkeypatch.setattr(atomic, "_PAUSES", (0.0, 0.0))

    @pytest.mark.parametrize("times", [1, 2, 3])
    def test_a_file_that_another_program_has_open_is_tried_again(
        self, times: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        refusals, replace = iter(range(times)), os.replace

        def refusing(new: Path, path: Path) -> None:
            if next(refusals, None) is not None:
                raise PermissionError(errno.EACCES, "open in another program", path)
            replace(new, path)

        monkeypatch.setattr(os, "replace", refusing)
        (tmp_path / "a.csv").write_text("old")
        with suppress(PermissionError):
            write_text(tmp_path / "a.csv", "new")
        assert contents(tmp_path) == {"a.csv": "new" if times < 3 else "old"}

    def test_an_empty_folder_makes_way(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        replace = os.replace

        def strict(new: Path, path: Path) -> None:
            if path.is_dir():
                raise PermissionError(errno.EACCES, "is a folder", path)
            replace(new, path)

        monkeypatch.setattr(os, "replace", strict)
        (tmp_path / NAME).mkdir()
        with new_tree(tmp_path / NAME) as partial:
            fill(partial, NEW)
        assert contents(tmp_path / NAME) == NEW
        with pytest.raises(OSError), new_tree(tmp_path / NAME) as partial:
            fill(partial, OLD)
        assert contents(tmp_path / NAME) == NEW


def test_text_has_the_same_line_ends_everywhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = dict[str, Any]()
    plain = Path.write_text

    def noting(path: Path, text: str, **options: Any) -> int:
        given.update(options)
        return plain(path, text, **options)

    monkeypatch.setattr(Path, "write_text", noting)
    write_text(tmp_path / "a.csv", "x\r\ny\n")
    assert given["newline"] == "\n", "else Windows writes other bytes, and blank lines into tables"
    assert (tmp_path / "a.csv").read_bytes() == b"x\r\ny\n"
