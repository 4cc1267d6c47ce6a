"""RAM, and what control groups leave of it."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import psutil
import pytest

from dispatcher.hardware import host
from tests.unit.hardware.machines import GIB, tree

UNLIMITED_V1 = "9223372036854771712\n"


def v2(folder: str, limit: str, used: int, inactive: int = 0) -> dict[str, str | bytes]:
    stat = f"anon 1\nfile 2\ninactive_file {inactive}\nactive_file 0\n"
    place = f"sys/fs/cgroup/{folder}"
    return {f"{place}/memory.max": limit, f"{place}/memory.current": f"{used}\n", f"{place}/memory.stat": stat}


def v1(folder: str, limit: str, used: int, inactive: int = 0) -> dict[str, str | bytes]:
    stat = f"cache 1\ninactive_file 5\ntotal_inactive_file {inactive}\n"
    place = f"sys/fs/cgroup/memory/{folder}"
    return {
        f"{place}/memory.limit_in_bytes": limit,
        f"{place}/memory.usage_in_bytes": f"{used}\n",
        f"{place}/memory.stat": stat,
    }


def limits(root: Path, cgroup: str, *groups: Mapping[str, str | bytes]) -> tuple[int | None, int | None]:
    tree(root, {"proc/self/cgroup": cgroup})
    for files in groups:
        tree(root, files)
    return host.limits(root)


def test_the_ram_of_this_machine() -> None:
    memory = host.read()
    assert memory.total == psutil.virtual_memory().total
    assert 0 < memory.available <= memory.total
    assert 0 < memory.size <= memory.total
    assert memory.free <= memory.available


def test_no_limit(tmp_path: Path) -> None:
    assert limits(tmp_path, "0::/user.slice\n", v2("user.slice", "max\n", GIB)) == (None, None)
    memory = host.read(tmp_path)
    assert (memory.limit, memory.size, memory.free) == (None, memory.total, memory.available)


def test_version_2_in_a_container(tmp_path: Path) -> None:
    """Its group is the root of what it sees."""
    assert limits(tmp_path, "0::/\n", v2("", f"{4 * GIB}\n", GIB)) == (4 * GIB, 3 * GIB)


def test_nested_groups_leave_what_the_tightest_of_them_leaves(tmp_path: Path) -> None:
    outer = v2("a.slice", f"{8 * GIB}\n", 7 * GIB)
    inner = v2("a.slice/b.scope", f"{4 * GIB}\n", GIB)
    between = v2("a.slice/x", "1\n", 1)
    assert limits(tmp_path, "0::/a.slice/b.scope\n", outer, inner, between) == (4 * GIB, GIB)


def test_cache_that_the_kernel_can_drop_is_room(tmp_path: Path) -> None:
    assert limits(tmp_path, "0::/\n", v2("", f"{4 * GIB}\n", 4 * GIB, inactive=3 * GIB)) == (4 * GIB, 3 * GIB)
    assert limits(tmp_path / "1", "4:memory:/\n", v1("", f"{4 * GIB}\n", 4 * GIB, inactive=GIB)) == (4 * GIB, GIB)


def test_version_1_whose_path_is_that_outside_of_the_container(tmp_path: Path) -> None:
    cgroup = "12:cpu,cpuacct:/docker/abc\n5:hugetlb,memory:/docker/abc\n0::/docker/abc\n"
    assert limits(tmp_path, cgroup, v1("", f"{2 * GIB}\n", GIB)) == (2 * GIB, GIB)


def test_version_1_without_a_limit(tmp_path: Path) -> None:
    assert limits(tmp_path, "4:memory:/a\n", v1("a", UNLIMITED_V1, 5), v1("", UNLIMITED_V1, 5)) == (None, None)


def test_both_versions_at_once(tmp_path: Path) -> None:
    groups = [v1("a", f"{3 * GIB}\n", 0), v2("unified/a", f"{2 * GIB}\n", 0)]
    assert limits(tmp_path, "4:memory:/a\n0::/a\n", *groups) == (2 * GIB, 2 * GIB)


def test_a_group_outside_of_what_is_mounted_leads_nowhere_else(tmp_path: Path) -> None:
    outside = {"sys/secret/memory.max": "5\n"}
    assert limits(tmp_path, "0::/../../secret\n", outside, v2("", f"{GIB}\n", 0)) == (GIB, GIB)


def test_a_limit_above_the_ram_is_none(tmp_path: Path) -> None:
    tree(tmp_path, {"proc/self/cgroup": "0::/\n"} | v2("", f"{1 << 50}\n", 0))
    assert host.read(tmp_path).limit is None


def test_a_limit_counts_against_the_ram(tmp_path: Path) -> None:
    tree(tmp_path, {"proc/self/cgroup": "0::/\n"} | v2("", f"{64 << 20}\n", 60 << 20))
    memory = host.read(tmp_path)
    assert (memory.limit, memory.size, memory.room, memory.free) == (64 << 20, 64 << 20, 4 << 20, 4 << 20)


def test_more_used_than_allowed_leaves_no_room(tmp_path: Path) -> None:
    assert limits(tmp_path, "0::/\n", v2("", f"{GIB}\n", 2 * GIB)) == (GIB, 0)


@pytest.mark.parametrize(
    "cgroup", ["", "x", "0::", "0::///\n", ":::\n", "4:memory\n", "0::/\x00\n", "0::/" + "a" * 9000]
)
def test_an_odd_list_of_groups_is_no_limit(tmp_path: Path, cgroup: str) -> None:
    assert limits(tmp_path, cgroup) == (None, None)


@pytest.mark.parametrize("limit", ["", "N/A", "-1", "max", "١٢"])
def test_an_odd_limit_is_none(tmp_path: Path, limit: str) -> None:
    assert limits(tmp_path, "0::/\n", v2("", limit, 0)) == (None, None)
