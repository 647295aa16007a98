"""What the compiled loops stand on: machine code that is kept, memory that is used again, a look over bytes."""

from __future__ import annotations

import gc
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atom_pipeline.layout.blocks import ROOM, positions_of
from atom_pipeline.layout.characters import count_controls
from atom_pipeline.layout.compiled import machine
from atom_pipeline.layout.compiled.arrow import Columns
from atom_pipeline.layout.compiled.decoder import look_over
from atom_pipeline.layout.pool import Pool


@pytest.fixture
def compiler(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[str]]:
    """A compiler that only notes what it was asked for, and an empty folder for what it makes."""
    asked: list[str] = []

    def compiled(name: str) -> tuple[str, bytes]:
        asked.append(name)
        return "symbol", b"machine\ncode"

    monkeypatch.setitem(sys.modules, "atom_pipeline.layout.compiled.entries", SimpleNamespace(compiled=compiled))
    monkeypatch.setenv("ATOM_HOME", str(tmp_path))
    yield asked


def test_code_is_compiled_once_and_kept(compiler: list[str]) -> None:
    for _ in range(3):
        assert machine._code("read_cells") == ("symbol", b"machine\ncode")
    assert compiler == ["read_cells"]


@pytest.mark.parametrize("damage", [b"", b"machine code", b"\x00" * 70 + b"\nsymbol\nmachine\ncode"])
def test_damaged_code_is_compiled_again(compiler: list[str], damage: bytes) -> None:
    machine._code("look_over")
    path = machine.folder() / "look_over.o"
    path.write_bytes(damage)
    assert machine._code("look_over") == ("symbol", b"machine\ncode")
    assert machine._code("look_over") == ("symbol", b"machine\ncode")
    assert compiler == ["look_over", "look_over"]


def test_where_nothing_can_be_kept_each_process_compiles(
    compiler: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("ATOM_HOME", str(tmp_path / "file"))
    assert machine._code("read_cells") == ("symbol", b"machine\ncode")
    assert "cannot be written" in caplog.text
    assert compiler == ["read_cells"]


def test_kept_code_is_loaded_without_the_compiler() -> None:
    machine.function("read_cells")
    program = (
        "import sys; from atom_pipeline.layout.compiled.machine import function; function('read_cells'); "
        "assert 'numba' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=300) | st.lists(st.sampled_from([10, 13, 32, 65, 127, 128, 159, 160, 255])).map(bytes))
def test_a_look_over_bytes_sees_what_slower_looks_see(content: bytes) -> None:
    array = np.frombuffer(content + b"\n\x00\xff" * ROOM, dtype=np.uint8)[: len(content)]
    looked = look_over(array)
    assert looked.newlines.tolist() == positions_of(array, 10).tolist()
    assert looked.ascii == content.isascii()
    assert looked.controls == count_controls(array) - content.count(b"\n") - content.count(b"\r\n")


def test_memory_is_given_out_again_only_when_nobody_looks_at_it() -> None:
    pool = Pool(kept=1)
    first = pool.take(100)
    first[:] = 7
    kept = first[10:20].view(np.uint16)
    del first
    gc.collect()
    second = pool.take(100)
    second[:] = 8
    assert kept.tolist() == [0x0707] * 5
    place = second.ctypes.data
    del second
    assert pool.take(50).ctypes.data == place


@pytest.mark.parametrize("sparse", [True, False])
def test_memory_that_is_too_small_is_not_given_out(sparse: bool) -> None:
    pool = Pool(kept=2, sparse=sparse)
    del [pool.take(10)][0]
    large = pool.take(1 << 16)
    large[:] = 1
    assert len(large) == 1 << 16


def test_a_frame_keeps_what_it_was_made_of_until_it_is_gone() -> None:
    pool = Pool(kept=4)
    height = 100
    numbers = pool.take(height * 8).view(np.int64)
    numbers[:] = np.arange(height)
    views = np.zeros((height, 2), dtype=np.uint64)
    views[:, 0] = 3 | int.from_bytes(b"abc", "little") << 32
    sizes, place = np.zeros(1, dtype=np.int64), numbers.ctypes.data
    addresses = np.array([[0, place, 0, 0], [0, views.ctypes.data, sizes.ctypes.data, sizes.ctypes.data]])
    nulls = np.zeros(2, dtype=np.int64)
    frame = Columns({"n": "l", "t": "vu"}).frame(height, nulls, addresses, numbers, views, sizes)
    del numbers, views, sizes
    part = frame.filter(pl.col("n") > 97)["n"]
    taken = pool.take(height * 8)
    taken[:] = 255
    assert frame["n"].to_list() == list(range(height))
    assert set(frame["t"]) == {"abc"}
    assert taken.ctypes.data != place
    del frame
    assert part.to_list() == [98, 99]
    del part
    gc.collect()
    assert pool.take(height * 8).ctypes.data == place
