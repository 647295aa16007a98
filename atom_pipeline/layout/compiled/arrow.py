"""Buffers of columns to a frame without a copy, by Arrow's C data interface, all columns in one go.

The shapes are Arrow's: https://arrow.apache.org/docs/format/CDataInterface.html. What a frame was made of is kept until
Polars lets go of it.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from itertools import count
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

Buffer = npt.NDArray[Any] | None

_NULLABLE = 2


class _Schema(ctypes.Structure):
    pass


class _Array(ctypes.Structure):
    pass


_ReleaseSchema = ctypes.CFUNCTYPE(None, ctypes.POINTER(_Schema))
_ReleaseArray = ctypes.CFUNCTYPE(None, ctypes.POINTER(_Array))
_Schema._fields_ = [
    ("format", ctypes.c_char_p),
    ("name", ctypes.c_char_p),
    ("metadata", ctypes.c_char_p),
    ("flags", ctypes.c_int64),
    ("n_children", ctypes.c_int64),
    ("children", ctypes.POINTER(ctypes.POINTER(_Schema))),
    ("dictionary", ctypes.POINTER(_Schema)),
    ("release", _ReleaseSchema),
    ("private_data", ctypes.c_void_p),
]
_Array._fields_ = [
    ("length", ctypes.c_int64),
    ("null_count", ctypes.c_int64),
    ("offset", ctypes.c_int64),
    ("n_buffers", ctypes.c_int64),
    ("n_children", ctypes.c_int64),
    ("buffers", ctypes.POINTER(ctypes.c_void_p)),
    ("children", ctypes.POINTER(ctypes.POINTER(_Array))),
    ("dictionary", ctypes.POINTER(_Array)),
    ("release", _ReleaseArray),
    ("private_data", ctypes.c_void_p),
]
_new_capsule = ctypes.pythonapi.PyCapsule_New
_new_capsule.restype = ctypes.py_object
_new_capsule.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]

_kept: dict[int, tuple[Any, ...]] = {}  # what frames that live were made of
_numbers = count(1)


def _release(array: Any) -> None:
    _kept.pop(array[0].private_data, None)
    array[0].release = _ReleaseArray()


def _release_column(array: Any) -> None:
    array[0].release = _ReleaseArray()


def _release_schema(schema: Any) -> None:
    schema[0].release = _ReleaseSchema()


# Polars calls these, from any thread: they must live as long as the process.
_RELEASE, _RELEASE_COLUMN = _ReleaseArray(_release), _ReleaseArray(_release_column)
_RELEASE_SCHEMA = _ReleaseSchema(_release_schema)


class Columns:
    """The names and Arrow formats of some columns, of which frames can be made. ``"vu"`` is text."""

    def __init__(self, formats: dict[str, str]) -> None:
        self._texts = [(name.encode(), kind.encode()) for name, kind in formats.items()]

    def frame(self, height: int, columns: Sequence[tuple[int, Sequence[Buffer]]]) -> pl.DataFrame:
        """A frame over these buffers: for each column how many nulls it has, and its buffers, which must not change."""
        parts = [self._column(height, nulls, buffers) for nulls, buffers in columns]
        children = (ctypes.POINTER(_Array) * len(parts))(*[ctypes.pointer(array) for array, _ in parts])
        nothing = (ctypes.c_void_p * 1)(None)
        number = next(_numbers)
        places = ctypes.cast(nothing, ctypes.POINTER(ctypes.c_void_p))
        whole = _Array(height, 0, 0, 1, len(parts), places, children, None, _RELEASE, number)
        _kept[number] = (whole, children, nothing, parts, columns)
        try:
            return pl.Series(_Exported(self._schema(), whole)).struct.unnest()
        except BaseException:
            _kept.pop(number, None)
            raise

    def _column(self, height: int, nulls: int, buffers: Sequence[Buffer]) -> tuple[_Array, Any]:
        places = (ctypes.c_void_p * len(buffers))(*[None if one is None else one.ctypes.data for one in buffers])
        array = _Array(
            height, nulls, 0, len(buffers), 0, ctypes.cast(places, ctypes.POINTER(ctypes.c_void_p)), None, None,
            _RELEASE_COLUMN, None,
        )  # fmt: skip
        return array, places

    def _schema(self) -> tuple[_Schema, Any]:
        """A schema, and what it is made of."""
        parts = [
            _Schema(kind, name, None, _NULLABLE, 0, None, None, _RELEASE_SCHEMA, None) for name, kind in self._texts
        ]
        children = (ctypes.POINTER(_Schema) * len(parts))(*[ctypes.pointer(part) for part in parts])
        return _Schema(b"+s", b"", None, 0, len(parts), children, None, _RELEASE_SCHEMA, None), (parts, children)


class _Exported:
    """What Polars takes an array from."""

    def __init__(self, schema: tuple[_Schema, Any], array: _Array) -> None:
        self._schema, self._array = schema, array

    def __arrow_c_array__(self, requested_schema: object = None) -> tuple[object, object]:
        del requested_schema
        return (
            _new_capsule(ctypes.addressof(self._schema[0]), b"arrow_schema", None),
            _new_capsule(ctypes.addressof(self._array), b"arrow_array", None),
        )


def text_buffers(valid: Buffer, views: npt.NDArray[np.uint64], text: npt.NDArray[np.uint8]) -> list[Buffer]:
    """The buffers of a column of text: validity, views, the bytes of its longer values, and how many they are."""
    return [valid, views, text, np.array([len(text)], dtype=np.int64)]
