"""Fault 26: the disk is full while the lake is written: a clear error, nothing half written, fine with room again."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from aurora import SAT, Place, differences, opened, work, world
from killing import Nursery

SIZE, ROOM = 16 * 1024 * 1024, 256 * 1024  # bytes of the lake's disk, and what others leave of it: some sixty tables
LARGEST_TABLE = 2048  # bytes, where no disk can be mounted: a limit that the kernel sets on files stands in for it


@dataclass
class SmallDisk:
    """The lake's disk, with little room on it."""

    limit: int  # bytes of the largest file, where it is no disk of its own
    others: Path | None  # a file of somebody else's that takes the rest

    @property
    def words(self) -> str:
        return "No space left on device" if self.others else "File too large"

    def free(self) -> None:
        self.limit = 0
        if self.others:
            self.others.unlink()


@pytest.fixture
def small_disk(on_saturday: Place) -> Iterator[SmallDisk]:
    lake, before = on_saturday.home / "lake", on_saturday.home / "lake.before"
    lake.rename(before)
    lake.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(lake)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode != 0:
        lake.rmdir()
        before.rename(lake)
        yield SmallDisk(LARGEST_TABLE, None)
        return
    try:
        shutil.copytree(before, lake, dirs_exist_ok=True)
        others, room = lake / "others", os.statvfs(lake)
        others.write_bytes(bytes(room.f_bavail * room.f_frsize - ROOM))
        yield SmallDisk(0, others)
    finally:
        subprocess.run(["umount", str(lake)], check=True)


def test_a_full_disk_stops_the_day_with_its_name_and_leaves_nothing_half_written(
    on_saturday: Place, small_disk: SmallDisk, expected: dict[str, Any], children: Nursery
) -> None:
    making = work("collect_and_make_day", on_saturday, SAT)
    full = children.run(replace(making, largest_file=small_disk.limit))
    assert not full.success and full.killed_before is None
    lake = on_saturday.home / "lake"
    assert any(f"{small_disk.words}: '{lake}" in line for line in full.failures), full.failures
    with opened(on_saturday) as runtime:
        assert runtime.ledger.base(SAT) is None
        assert runtime.ledger.waves(SAT) == []
        assert runtime.stale() == [SAT]
        assert [path.name for path in Path(runtime.lake.base).rglob(".*")] == [], "what was begun is gone"
        for path in Path(runtime.lake.base).rglob(f"{SAT:%Y-%m-%d}.parquet"):
            pl.read_parquet(path)

        small_disk.free()
        assert children.run(making).success
        assert differences(world(runtime), expected) == []
