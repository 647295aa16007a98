"""What is compiled to machine code: one function that reads cells and one that looks over bytes.

Each takes one address: of a row of whole numbers, in which ``machine.Function`` has put the address and the shape of
each array, in the order in which they are taken here. Imported only where there is no machine code yet.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numba import types

from atom_pipeline.layout.compiled.cells import read_tiles
from atom_pipeline.layout.compiled.codes import Bytes, Numbers
from atom_pipeline.layout.compiled.intrinsics import (
    bytes_at,
    controls,
    numbers_at,
    part,
    places_at,
    trailing_zeros,
    upper,
    words_at,
)


def read_cells(a: Any) -> Any:
    """The arguments of ``cells.read_tiles``."""
    return read_tiles(
        bytes_at(a[0]),
        numbers_at(a[2]),
        a[3],
        numbers_at(a[4]),
        a[5],
        (
            (numbers_at(a[7]), words_at(a[9]), numbers_at(a[11]), bytes_at(a[13])),
            (numbers_at(a[15]), a[16], a[17], bytes_at(a[18]), bytes_at(a[20])),
        ),
        (numbers_at(a[22]), a[24]),
        (bytes_at(a[25]), numbers_at(a[28])),
        bytes_at(a[30])[0] != 0,
        numbers_at(a[32]),
        (bytes_at(a[34]), words_at(a[36]), numbers_at(a[40])),
        (numbers_at(a[42]), numbers_at(a[45]), places_at(a[49])),
        words_at(a[52]),
        places_at(a[55]),
        (words_at(a[58]), words_at(a[61])),
        (words_at(a[65]), a[67]),
        (places_at(a[68]), numbers_at(a[71])),
    )


@part
def _look_over(data: Bytes, size: int, breaks: Numbers, room: int, others: Numbers) -> int:
    """Places of line feeds; in ``others`` how many other control characters there are, and whether all is ASCII.

    Carriage returns before a line feed are not counted. Returns how many line feeds there are; ``breaks`` has those for
    which there is room.
    """
    found, strange, high = 0, 0, np.uint64(0)
    for place in range(0, size, 64):
        mask = np.uint64(0xFFFFFFFFFFFFFFFF)
        if size - place < 64:
            mask >>= np.uint64(64 - (size - place))
        high |= upper(data, place) & mask
        bits = controls(data, place) & mask
        while bits:
            at = place + trailing_zeros(bits)  # type: ignore[call-arg]
            bits &= bits - np.uint64(1)
            if data[at] == 10:
                if found < room:
                    breaks[found] = at
                found += 1
            elif not (data[at] == 13 and at + 1 < size and data[at + 1] == 10):
                strange += 1
    others[0] = strange
    others[1] = np.int64(high != 0)
    return found


def look_over(a: Any) -> Any:
    """The arguments of ``_look_over``."""
    return _look_over(bytes_at(a[0]), a[1], numbers_at(a[2]), a[3], numbers_at(a[4]))


def compiled(name: str) -> tuple[str, bytes]:
    """The symbol and the object code of one of the functions here."""
    signature: Any = types.int64(types.CPointer(types.int64))  # type: ignore[no-untyped-call]
    options: Any = {"nogil": True, "error_model": "numpy", "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
    function: Any = numba.njit(signature, **options)({"read_cells": read_cells, "look_over": look_over}[name])
    [overload] = function.overloads.values()
    return overload.fndesc.llvm_func_name, overload.library._get_compiled_object()
