"""The CPU quota of a process: what ``docker --cpus``, Kubernetes' limits and systemd's CPUQuota set.

    /proc/self/cgroup      which cgroup the process is in, in each hierarchy
    /proc/self/mountinfo   where hierarchies are mounted, and from which cgroup on
    cpu.max                "quota period" or "max period" (cgroup v2)
    cpu.cfs_quota_us, cpu.cfs_period_us                   (cgroup v1; -1: no quota)

A quota may be set on any cgroup above the process's own, and the smallest counts. The ``cpu_count`` functions of joblib
and Dask each look at one cgroup only, and miss the others.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path, PurePosixPath

V1, V2 = "cgroup", "cgroup2"


def cpu_quota(process: Path = Path("/proc/self")) -> float | None:
    """Processor seconds per second that ``process`` (a folder of /proc) may take; None without a quota."""
    groups = _groups(process)
    quotas = []
    for kind, root, mount in _mounts(process):
        own = groups.get(kind)
        if own is None or not own.is_relative_to(root):
            continue
        inside = own.relative_to(root)
        quotas += [_quota(mount / folder, kind) for folder in (inside, *inside.parents)]
    return min((quota for quota in quotas if quota is not None), default=None)


def _groups(process: Path) -> dict[str, PurePosixPath]:
    """The cgroup of the process that limits its processor time, by version."""
    found = {}
    for line in _lines(process / "cgroup"):
        _, controllers, path = line.split(":", 2)
        if not controllers:
            found[V2] = PurePosixPath(path)
        elif "cpu" in controllers.split(","):
            found[V1] = PurePosixPath(path)
    return found


def _mounts(process: Path) -> Iterator[tuple[str, PurePosixPath, Path]]:
    """Mounted hierarchies that may limit processor time: version, mounted cgroup, and mount point."""
    for line in _lines(process / "mountinfo"):
        place, found, kind = line.partition(" - ")
        if not found:
            continue
        root, mount = place.split()[3:5]
        version, _, options = kind.split()[:3]
        if version == V2 or (version == V1 and "cpu" in options.split(",")):
            yield version, PurePosixPath(root), Path(mount)


def _quota(group: Path, version: str) -> float | None:
    """The quota of one cgroup, without those above it."""
    files = ["cpu.max"] if version == V2 else ["cpu.cfs_quota_us", "cpu.cfs_period_us"]
    words = [word for name in files for line in _lines(group / name) for word in line.split()]
    if len(words) != 2 or not words[0].isdigit():  # "max", -1, or the root of a hierarchy, which has no such file
        return None
    return int(words[0]) / int(words[1])


def _lines(path: Path) -> list[str]:
    """Of a file that not every system has."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").splitlines()  # mount points have any name
    except OSError:
        return []
