"""Memory that is used again: a page that a process touches for the first time costs more than what is written to it."""

from __future__ import annotations

import ctypes
import mmap
import weakref
from math import prod
from threading import Lock
from typing import Any

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]
KEPT_BUFFERS = 6  # of a kind, to be used again


class Pool:
    """Buffers of bytes. One that nobody looks at any more is given out again; it is not cleared."""

    def __init__(self, kept: int, *, sparse: bool = False) -> None:
        """``kept``: how many unused buffers are kept at most. ``sparse``: most of a buffer is never written."""
        self._kept = kept
        self._sparse = sparse
        self._unused: list[Bytes] = []
        self._lock = Lock()

    def take(self, size: int) -> Bytes:
        """An array of that many bytes. Its memory comes back when it and all arrays made of it are gone."""
        memory = self._large_enough(size)
        view = (ctypes.c_uint8 * len(memory)).from_buffer(memory.data)
        weakref.finalize(view, self._give_back, memory).atexit = False
        return np.frombuffer(memoryview(view).cast("B"), dtype=np.uint8)[:size]

    def _large_enough(self, size: int) -> Bytes:
        with self._lock:
            while self._unused:
                unused = self._unused.pop()
                if len(unused) >= size:
                    return unused
        if self._sparse and hasattr(mmap, "MADV_NOHUGEPAGE"):
            memory = mmap.mmap(-1, size)
            memory.madvise(mmap.MADV_NOHUGEPAGE)  # NumPy asks for huge ones, each of which is memory once written to
            return np.frombuffer(memory, dtype=np.uint8)
        return np.empty(size, dtype=np.uint8)

    def _give_back(self, memory: Bytes) -> None:
        with self._lock:
            if len(self._unused) < self._kept:
                self._unused.append(memory)


def carved(memory: Bytes, shapes: list[tuple[tuple[int, ...], npt.DTypeLike]]) -> list[npt.NDArray[Any]]:
    """Arrays of these shapes and types, one after another in some memory of ``carved_bytes``."""
    arrays: list[npt.NDArray[Any]] = []
    place = 0
    for shape, kind in shapes:
        size = prod(shape) * np.dtype(kind).itemsize
        arrays.append(memory[place : place + size].view(kind).reshape(shape))
        place += _rounded(size)
    return arrays


def carved_bytes(shapes: list[tuple[tuple[int, ...], npt.DTypeLike]]) -> int:
    """How much memory arrays of these shapes and types take."""
    return sum(_rounded(prod(shape) * np.dtype(kind).itemsize) for shape, kind in shapes)


def _rounded(size: int) -> int:
    return -(-size // 64) * 64
