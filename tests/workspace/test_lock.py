"""One run at a time, in a folder that is one's own: no link in the lock's place, and nothing half-written left."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from wsi_haloae.errors import OutputExistsError, WsiHaloaeError
from wsi_haloae.workspace import lock
from wsi_haloae.workspace.lock import HOLDER_NAME, LOCK_NAME, locked, taking_turns, tidy

LEFT = "run.json.0123456789abcdef.partial"


def leave(folder: Path) -> None:
    (folder / LEFT).mkdir(parents=True)
    (folder / LEFT / "run.json").write_text("half")


def test_what_a_killed_run_left_is_gone_when_the_next_begins(tmp_path: Path) -> None:
    leave(tmp_path / "slide")
    with locked(tmp_path / "slide"):
        assert {path.name for path in (tmp_path / "slide").iterdir()} == {LOCK_NAME, HOLDER_NAME}
    leave(tmp_path)
    tidy(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"slide", LOCK_NAME}


def test_a_second_run_refuses_and_touches_nothing(tmp_path: Path) -> None:
    with locked(tmp_path):
        leave(tmp_path)
        with pytest.raises(OutputExistsError, match=f"another run is writing here .process {os.getpid()} on"):  # noqa: SIM117
            with locked(tmp_path):
                raise AssertionError("both are in")
        assert (tmp_path / LEFT).exists(), "it may be what the first is writing"


def test_links_in_the_place_of_folder_or_lock_are_refused(tmp_path: Path) -> None:
    (tmp_path / "away").mkdir()
    (tmp_path / "slide").symlink_to("away")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / LOCK_NAME).symlink_to(tmp_path / "away" / "file")
    for folder, hold in (("slide", locked), ("other", locked), ("other", taking_turns)):
        with pytest.raises(OutputExistsError, match="is a symbolic link"), hold(tmp_path / folder):
            raise AssertionError("written through a link")
    assert not list((tmp_path / "away").iterdir())


def test_the_holders_name_is_neither_written_nor_read_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "mail").write_text("secret")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / HOLDER_NAME).symlink_to(tmp_path / "mail")
    with locked(tmp_path / "out"):
        assert (tmp_path / "mail").read_text() == "secret"
        (tmp_path / "out" / HOLDER_NAME).unlink()
        (tmp_path / "out" / HOLDER_NAME).symlink_to(tmp_path / "mail")
        with pytest.raises(OutputExistsError, match="it has just begun"), locked(tmp_path / "out"):
            raise AssertionError("both are in")


class TestWithoutLocks:
    """File systems whose flock() answers with an error, as network file systems do."""

    def answers(self, code: int, monkeypatch: pytest.MonkeyPatch) -> None:
        def flock(_descriptor: int, _operation: int) -> None:
            raise OSError(code, os.strerror(code))

        monkeypatch.setattr("fcntl.flock", flock)
        monkeypatch.setattr(lock, "_told", set())

    @pytest.mark.parametrize("code", [errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOLCK, 524])
    def test_a_run_goes_on_and_says_so_once(self, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.answers(code, monkeypatch)
        told: list[str] = []
        leave(tmp_path / "a")
        for name in "ab":
            with locked(tmp_path / name, told.append):
                assert not (tmp_path / name / LEFT).exists()
        with taking_turns(tmp_path):
            tidy(tmp_path / "c")
        [line] = told
        assert line.startswith(f"{tmp_path / 'a'}: the file system of this output folder has no locks")
        with locked(tmp_path / "a", told.append):
            assert len(told) == 1, "nothing that a killed run leaves keeps the next one out"

    def test_another_error_names_the_folder(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.answers(errno.EIO, monkeypatch)
        with pytest.raises(WsiHaloaeError, match=rf"{tmp_path}: this output folder cannot be locked"), locked(tmp_path):
            raise AssertionError("the file system may be broken")


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may become others")
def test_colleagues_take_turns_in_a_folder_of_their_group(tmp_path: Path) -> None:
    group = 23456
    for parent in (tmp_path, *tmp_path.parents[:-2]):
        parent.chmod(0o755)
    shared = tmp_path / "shared"
    shared.mkdir()
    os.chown(shared, 0, group)
    shared.chmod(0o2775)
    for user in (12345, 12346):
        child = os.fork()
        if not child:
            os.umask(0o002)
            os.setgroups([group])
            os.setgid(user)
            os.setuid(user)
            tidy(shared)
            with locked(shared / "slide"), taking_turns(shared):
                os._exit(0)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
