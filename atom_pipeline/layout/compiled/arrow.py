"""Buffers of columns to a frame without a copy, by Arrow's C data interface, all columns in one go.

The shapes are Arrow's: https://arrow.apache.org/docs/format/CDataInterface.html; both are rows of words of eight bytes.
What a frame was made of is kept until Polars lets go of it.
"""

from __future__ import annotations

import ctypes
from enum import IntEnum
from itertools import count
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from atom_pipeline.layout.compiled.codes import Numbers

MOST_BUFFERS = 4  # of a column: validity, views, the bytes of longer values, how many these are
_NULLABLE = 2
_TEXT = "vu"


class _Schema(IntEnum):
    """The words of an ArrowSchema."""

    FORMAT = 0
    NAME = 1
    METADATA = 2
    FLAGS = 3
    CHILD_COUNT = 4
    CHILDREN = 5
    DICTIONARY = 6
    RELEASE = 7
    PRIVATE = 8


class _Array(IntEnum):
    """The words of an ArrowArray."""

    LENGTH = 0
    NULL_COUNT = 1
    OFFSET = 2
    BUFFER_COUNT = 3
    CHILD_COUNT = 4
    BUFFERS = 5
    CHILDREN = 6
    DICTIONARY = 7
    RELEASE = 8
    PRIVATE = 9


_Release = ctypes.CFUNCTYPE(None, ctypes.c_void_p)
_new_capsule = ctypes.pythonapi.PyCapsule_New
_new_capsule.restype = ctypes.py_object
_new_capsule.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]

_kept: dict[int, tuple[object, ...]] = {}  # what frames that live were made of
_numbers = count(1)


def _release(array: int) -> None:
    _kept.pop(_word(array, _Array.PRIVATE).value, None)
    _word(array, _Array.RELEASE).value = 0


def _release_column(array: int) -> None:
    _word(array, _Array.RELEASE).value = 0


def _release_schema(schema: int) -> None:
    _word(schema, _Schema.RELEASE).value = 0


def _word(struct: int, place: int) -> ctypes.c_int64:
    return ctypes.c_int64.from_address(struct + 8 * place)


# Polars calls these, from any thread: they must live as long as the process.
_CALLBACKS = [_Release(_release), _Release(_release_column), _Release(_release_schema)]
_RELEASE, _RELEASE_COLUMN, _RELEASE_SCHEMA = [ctypes.cast(one, ctypes.c_void_p).value or 0 for one in _CALLBACKS]


class Columns:
    """The names and Arrow formats of some columns, of which frames can be made. ``"vu"`` is text."""

    def __init__(self, formats: dict[str, str]) -> None:
        texts = [text.encode() for pair in formats.items() for text in reversed(pair)]
        self._texts = (ctypes.c_char_p * len(texts))(*texts)
        self._buffers = np.array([MOST_BUFFERS if kind == _TEXT else 2 for kind in formats.values()], dtype=np.int64)

    def frame(self, height: int, nulls: Numbers, addresses: Numbers, *memory: object) -> pl.DataFrame:
        """A frame over buffers that must not change: of each column how many nulls it has, and a row of addresses.

        A column without nulls may have 0 for the address of its validity. ``memory`` is what the addresses are of.
        """
        columns = len(self._buffers)
        arrays = np.zeros((columns + 1, len(_Array)), dtype=np.int64)
        each, whole = arrays[:columns], arrays[columns]
        each[:, _Array.LENGTH] = height
        each[:, _Array.NULL_COUNT] = nulls
        each[:, _Array.BUFFER_COUNT] = self._buffers
        each[:, _Array.BUFFERS] = address_of(addresses)
        each[:, _Array.RELEASE] = _RELEASE_COLUMN
        children, no_buffers, number = address_of(each), np.zeros(1, dtype=np.int64), next(_numbers)
        whole[_Array.LENGTH], whole[_Array.BUFFER_COUNT], whole[_Array.CHILD_COUNT] = height, 1, columns
        whole[_Array.BUFFERS], whole[_Array.CHILDREN] = no_buffers.ctypes.data, children.ctypes.data
        whole[_Array.RELEASE], whole[_Array.PRIVATE] = _RELEASE, number
        _kept[number] = (arrays, children, no_buffers, addresses, memory)
        try:
            return pl.Series(_Exported(self._schema(), whole)).struct.unnest()
        except BaseException:
            _kept.pop(number, None)
            raise

    def _schema(self) -> tuple[Numbers, object]:
        """A schema, and what it is made of."""
        columns = len(self._buffers)
        schemas = np.zeros((columns + 1, len(_Schema)), dtype=np.int64)
        each, whole = schemas[:columns], schemas[columns]
        each[:, : _Schema.NAME + 1] = _pointers(self._texts).reshape(columns, 2)
        each[:, _Schema.FLAGS] = _NULLABLE
        schemas[:, _Schema.RELEASE] = _RELEASE_SCHEMA
        children, text = address_of(each), (ctypes.c_char_p * 2)(b"+s", b"")
        whole[: _Schema.NAME + 1] = _pointers(text)
        whole[_Schema.CHILD_COUNT], whole[_Schema.CHILDREN] = columns, children.ctypes.data
        return whole, (schemas, children, text)


class _Exported:
    """What Polars takes an array from."""

    def __init__(self, schema: tuple[Numbers, object], array: Numbers) -> None:
        self._schema, self._array = schema, array

    def __arrow_c_array__(self, requested_schema: object = None) -> tuple[object, object]:
        del requested_schema
        return (
            _new_capsule(self._schema[0].ctypes.data, b"arrow_schema", None),
            _new_capsule(self._array.ctypes.data, b"arrow_array", None),
        )


def address_of(rows: npt.NDArray[Any]) -> Numbers:
    """Where each row of a table stands in memory."""
    return rows.ctypes.data + np.arange(len(rows), dtype=np.int64) * rows.strides[0]


def _pointers(texts: ctypes.Array[ctypes.c_char_p]) -> Numbers:
    """Where each of some texts stands in memory."""
    return np.frombuffer(memoryview(texts).cast("B"), dtype=np.int64)
