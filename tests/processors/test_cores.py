"""Cores that a process may really use: by affinity, and by the quotas of its cgroup and of those above it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from wsi_haloae.processors import cores
from wsi_haloae.processors.cores import available_cores
from wsi_haloae.processors.cpu_quota import cpu_quota

V2 = "31 23 0:28 ROOT MOUNT rw - cgroup2 cgroup2 rw"
V1 = "32 31 0:29 ROOT MOUNT rw,relatime - cgroup cgroup rw,CONTROLLERS"
ELSEWHERE = "27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw\n"


def machine(folder: Path, groups: str, mounted: str, files: dict[str, str]) -> Path:
    """The files that Linux shows of a process and of its cgroups; gives the folder of the process."""
    process, mount = folder / "proc", folder / "cgroup"
    process.mkdir()
    (process / "cgroup").write_text(groups)
    (process / "mountinfo").write_text(ELSEWHERE + mounted.replace("MOUNT", str(mount)) + "\n")
    for name, content in files.items():
        path = mount / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content + "\n")
    return process


def v1(group: str, quota: int, period: int = 100_000) -> dict[str, str]:
    return {f"{group}cpu.cfs_quota_us": str(quota), f"{group}cpu.cfs_period_us": str(period)}


def at(root: str, kind: str = V2, controllers: str = "cpu") -> str:
    return kind.replace("ROOT", root).replace("CONTROLLERS", controllers)


@pytest.mark.parametrize(
    ("groups", "mounted", "files", "expected"),
    [
        ("0::/\n", at("/"), {"cpu.max": "150000 100000"}, 1.5),
        ("0::/\n", at("/"), {"cpu.max": "max 100000"}, None),
        ("0::/\n", at("/"), {}, None),
        ("0::/user.slice/a.scope\n", at("/"), {"user.slice/a.scope/cpu.max": "50000 100000"}, 0.5),
        (
            "0::/user.slice/user-7.slice/a.scope\n",
            at("/"),
            {"user.slice/user-7.slice/cpu.max": "200000 100000", "user.slice/user-7.slice/a.scope/cpu.max": "max 1"},
            2.0,
        ),
        ("0::/a/b\n", at("/"), {"a/cpu.max": "100000 50000", "a/b/cpu.max": "300000 100000"}, 2.0),
        ("0::/docker/x\n", at("/docker/x"), {"cpu.max": "300000 100000"}, 3.0),
        ("0::/somewhere/else\n", at("/docker/x"), {"cpu.max": "300000 100000"}, None),
        ("0::/../other\n", at("/"), {"cpu.max": "300000 100000"}, 3.0),
        ("3:cpu:/\n1:cpuset:/\n", at("/", V1), v1("", 250_000), 2.5),
        ("3:cpu:/\n", at("/", V1), v1("", -1), None),
        ("3:cpu:/job/step\n", at("/", V1), {**v1("job/", 40_000, 20_000), **v1("job/step/", -1)}, 2.0),
        ("4:cpu,cpuacct:/docker/x\n0::/\n", at("/docker/x", V1, "cpu,cpuacct"), v1("", 100_000), 1.0),
        ("5:cpuacct:/\n3:cpu:/\n", at("/", V1, "cpuacct"), v1("", 100_000), None),
        ("", "", {}, None),
    ],
)  # fmt: skip
def test_the_least_quota_of_a_process_and_of_all_above_it(
    groups: str, mounted: str, files: dict[str, str], expected: float | None, tmp_path: Path
) -> None:
    assert cpu_quota(machine(tmp_path, groups, mounted, files)) == expected


def test_systems_without_cgroups_have_no_quota(tmp_path: Path) -> None:
    assert cpu_quota(tmp_path / "absent") is None


@pytest.mark.parametrize(("quota", "expected"), [(None, 4), (0.2, 1), (1.0, 1), (1.5, 2), (3.1, 4), (64.0, 4)])
def test_a_quota_is_rounded_up_and_adds_no_cores(
    quota: float | None, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("sched_getaffinity", "process_cpu_count"):
        monkeypatch.setattr(os, name, lambda *_, name=name: range(4) if name.startswith("sched") else 4, raising=False)
    monkeypatch.setattr(cores, "cpu_quota", lambda: quota)
    assert available_cores() == expected


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system pins no process to a core")
def test_a_process_that_is_pinned_to_a_core_has_one() -> None:
    allowed = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {min(allowed)})
    try:
        assert available_cores() == 1
    finally:
        os.sched_setaffinity(0, allowed)
