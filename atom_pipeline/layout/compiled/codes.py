"""The words in which a layout is told to the compiled loops: operations, columns of ``Program.fields``, checks.

Also the types that the other modules of this package share. Nothing is compiled and nothing computed here.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np
import numpy.typing as npt

Bytes = npt.NDArray[np.uint8]
Numbers = npt.NDArray[np.int64]
Places = npt.NDArray[np.int32]  # within what one block gives
Words = npt.NDArray[np.uint64]
Sets = tuple[Numbers, Words, Numbers, Bytes]
Shapes = tuple[Numbers, int, int, Bytes, Bytes]  # rows of shapes, how many and how long; classes; area codes
Tables = tuple[Sets, Shapes]  # see ``program.Program``
Spelling = tuple[Bytes, Numbers]  # every byte in UTF-8: up to three bytes, and how many

TILE = 64  # lines read field by field in one go: they stay in the processor's cache, and their validity is one word
WORD = 8
INLINE = 12  # bytes of a value that stand in its view itself
SEEN_CELLS, SEEN_DATES = 6, 10  # of a field, of a format: cells that need no second look, as a power of two


class Op(IntEnum):
    """How a field is read. The order of the kinds of output: text, whole numbers, decimals, days, clock."""

    TEXT = 0
    DIGITS = 1
    DOCUMENT = 2
    INTEGER = 3
    DECIMAL = 4
    DATE = 5
    TIME = 6
    DATETIME = 7


class Column(IntEnum):
    """The columns of ``Program.fields``. Sets, shapes and formats are numbers of rows in their tables; -1: none."""

    OP = 0
    START = 1  # bytes from the line's first
    STOP = 2
    SLOT = 3  # which of the outputs of its kind
    REQUIRED = 4
    CONSTANT = 5  # set of what the cell may hold
    DOMAIN = 6  # set of what the value may be
    LOW = 7  # of numbers (scaled) and days
    HIGH = 8
    SIGN = 9  # 0 none, 1 leading, 2 trailing
    STRIP_ZEROS = 10
    ZERO_PAD = 11
    NO_ZEROS = 12  # digits that are all zeros are no value
    CHECK = 13  # a Check
    FORMAT = 14
    DOCUMENT = 15  # 0 either, 1 CPF, 2 CNPJ
    PERSON_START = 16  # the field that says F or J; -1: none
    PERSON_STOP = 17


COLUMNS = 18  # how many there are


class Check(IntEnum):
    """Checks that the loops make themselves. From SHAPE on: the number of a list of shapes."""

    NONE = 0
    EMAIL = 1
    SHAPE = 2
