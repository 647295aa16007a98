"""The loops over the lines of a block, compiled by numba: cells to the buffers of Arrow columns.

Only what a ``Program`` says is usual is read here; every other cell is left empty and told of as a doubt, for
``convert`` to judge. So a value that comes out of here is what ``convert`` would have given, with no fault. Nothing
here holds the interpreter's lock.

The loops over a tile return, beside where text ends, two words of a bit per line: which cells have a value, and which
are in doubt.
"""

from __future__ import annotations

import numpy as np
from numba import njit, types

from atom_pipeline.layout.compiled.cache import part
from atom_pipeline.layout.compiled.codes import TILE, Bytes, Flags, Numbers, Places, Sets, Spelling, Tables, Words
from atom_pipeline.layout.compiled.numbers import is_no_date, moment, whole
from atom_pipeline.layout.compiled.text import (
    BLANK,
    ZERO,
    copy,
    document,
    find_ink,
    has_shape,
    in_set,
    is_digit,
    is_email,
    person,
    trimmed,
)

# The compiler knows a module's numbers, not an enumeration's: ``codes.Column``, ``Op`` and ``Check`` in their order.
_OP, _START, _STOP, _SLOT, _REQUIRED, _CONSTANT, _DOMAIN, _LOW, _HIGH, _SIGN = range(10)
_STRIP_ZEROS, _ZERO_PAD, _NO_ZEROS, _CHECK, _FORMAT, _DOCUMENT, _PERSON_START, _PERSON_STOP = range(10, 18)
_TEXT, _DIGITS, _DOCUMENT_OP, _INTEGER, _DECIMAL, _DATE, _TIME = range(7)
_NO_CHECK, _EMAIL, _SHAPE = range(3)

_ONE, _NONE = np.uint64(1), np.uint64(0)


@part
def _passes(out: Bytes, start: int, stop: int, check: int, shapes: Numbers, classes: Bytes, area_codes: Flags) -> bool:
    """Whether a value passes the check of its field."""
    if check == _NO_CHECK:
        return True
    if check == _EMAIL:
        return is_email(out, start, stop)
    return has_shape(out, start, stop, check - _SHAPE, shapes, classes, area_codes)


@part
def _texts(
    data: Bytes,
    lines: Numbers,
    ink: Words,
    first: int,
    last: int,
    row: Numbers,
    text: Bytes,
    base: int,
    cursor: int,
    ends: Places,
    spelling: Spelling,
    plain: bool,
) -> tuple[int, int]:
    """Text that may hold anything or nothing. There is no doubt of it."""
    spelt, sizes = spelling
    valid = _NONE
    for r in range(first, last):
        start, stop = trimmed(ink[r - first], row[_START], row[_STOP])
        start, stop = lines[r] + start, lines[r] + stop
        cursor = copy(data, start, stop, text, cursor, spelt, sizes, plain)
        ends[r + 1] = cursor - base
        if start < stop:
            valid |= _ONE << np.uint64(r - first)
    return cursor, valid


@part
def _checked_texts(
    data: Bytes,
    lines: Numbers,
    ink: Words,
    first: int,
    last: int,
    row: Numbers,
    text: Bytes,
    base: int,
    cursor: int,
    ends: Places,
    spelling: Spelling,
    plain: bool,
    tables: Tables,
) -> tuple[int, int, int]:
    """Text with something to look at."""
    sets, shapes, classes, area_codes = tables
    bounds, keys, items, spelt_items = sets
    spelt, sizes = spelling
    valid, doubtful = _NONE, _NONE
    for r in range(first, last):
        start, stop = trimmed(ink[r - first], row[_START], row[_STOP])
        start, stop = lines[r] + start, lines[r] + stop
        bit = _ONE << np.uint64(r - first)
        if row[_CONSTANT] >= 0 and not in_set(data, start, stop, row[_CONSTANT], bounds, keys, items, spelt_items):
            doubtful |= bit
        elif start == stop:
            doubtful |= bit if row[_REQUIRED] else _NONE
        else:
            end = copy(data, start, stop, text, cursor, spelt, sizes, plain)
            if (
                row[_DOMAIN] < 0 or in_set(text, cursor, end, row[_DOMAIN], bounds, keys, items, spelt_items)
            ) and _passes(text, cursor, end, row[_CHECK], shapes, classes, area_codes):
                valid |= bit
                cursor = end
            else:
                doubtful |= bit
        ends[r + 1] = cursor - base
    return cursor, valid, doubtful


@part
def _digits(
    data: Bytes,
    lines: Numbers,
    ink: Words,
    first: int,
    last: int,
    row: Numbers,
    text: Bytes,
    base: int,
    cursor: int,
    ends: Places,
    tables: Tables,
) -> tuple[int, int, int]:
    """Digits that are text."""
    sets, shapes, classes, area_codes = tables
    bounds, keys, items, spelt_items = sets
    valid, doubtful = _NONE, _NONE
    for r in range(first, last):
        start, stop = trimmed(ink[r - first], row[_START], row[_STOP])
        start, stop = lines[r] + start, lines[r] + stop
        bit = _ONE << np.uint64(r - first)
        significant = start
        while significant < stop and data[significant] == ZERO:
            significant += 1
        good = row[_CONSTANT] < 0 or in_set(data, start, stop, row[_CONSTANT], bounds, keys, items, spelt_items)
        for i in range(significant, stop):
            good = good and is_digit(data[i])
        absent = start == stop or (significant == stop and (row[_STRIP_ZEROS] or row[_NO_ZEROS]))
        if not good or (absent and row[_REQUIRED]):
            doubtful |= bit
        elif not absent:
            if row[_STRIP_ZEROS] or row[_ZERO_PAD]:
                start = significant
            end = cursor
            for _ in range(row[_ZERO_PAD] - (stop - start)):
                text[end] = ZERO
                end += 1
            for i in range(start, stop):
                text[end] = data[i]
                end += 1
            fits = not row[_ZERO_PAD] or stop - start <= row[_ZERO_PAD]
            if (
                fits
                and (row[_DOMAIN] < 0 or in_set(text, cursor, end, row[_DOMAIN], bounds, keys, items, spelt_items))
                and _passes(text, cursor, end, row[_CHECK], shapes, classes, area_codes)
            ):
                valid |= bit
                cursor = end
            else:
                doubtful |= bit
        ends[r + 1] = cursor - base
    return cursor, valid, doubtful


@part
def _documents(
    data: Bytes,
    lines: Numbers,
    ink: Words,
    first: int,
    last: int,
    row: Numbers,
    text: Bytes,
    base: int,
    cursor: int,
    ends: Places,
) -> tuple[int, int, int]:
    """CPF and CNPJ."""
    valid, doubtful = _NONE, _NONE
    for r in range(first, last):
        start, stop = trimmed(ink[r - first], row[_START], row[_STOP])
        start, stop = lines[r] + start, lines[r] + stop
        bit = _ONE << np.uint64(r - first)
        whose = np.int64(BLANK)
        if row[_PERSON_START] >= 0:
            whose = person(data, lines[r] + row[_PERSON_START], lines[r] + row[_PERSON_STOP])
        begin = document(data, start, stop, row[_DOCUMENT], whose)
        if begin >= 0:
            for i in range(begin, stop):
                text[cursor] = data[i]
                cursor += 1
            valid |= bit
        elif begin < -1 or row[_REQUIRED]:
            doubtful |= bit
        ends[r + 1] = cursor - base
    return cursor, valid, doubtful


@part
def _whole_numbers(
    data: Bytes, lines: Numbers, ink: Words, first: int, last: int, row: Numbers, values: Numbers, sets: Sets
) -> tuple[int, int]:
    """Whole numbers, and decimals with all their digits."""
    bounds, keys, items, spelt_items = sets
    valid, doubtful = _NONE, _NONE
    for r in range(first, last):
        start, stop = trimmed(ink[r - first], row[_START], row[_STOP])
        start, stop = lines[r] + start, lines[r] + stop
        bit = _ONE << np.uint64(r - first)
        value, good = np.int64(0), not row[_REQUIRED]
        if start < stop:
            value, good = whole(data, start, stop, row[_SIGN])
            good = good and row[_LOW] <= value and value <= row[_HIGH]
        if row[_CONSTANT] >= 0:
            good = good and in_set(data, start, stop, row[_CONSTANT], bounds, keys, items, spelt_items)
        values[r - first] = value
        if not good:
            doubtful |= bit
        elif start < stop:
            valid |= bit
    return valid, doubtful


@part
def _moments(
    data: Bytes,
    lines: Numbers,
    ink: Words,
    first: int,
    last: int,
    row: Numbers,
    values: Numbers,
    sets: Sets,
    formats: Numbers,
) -> tuple[int, int]:
    """Dates as days since 1970, times as nanoseconds since midnight, both as microseconds since 1970."""
    bounds, keys, items, spelt_items = sets
    valid, doubtful = _NONE, _NONE
    op = row[_OP]
    for r in range(first, last):
        raw_start, raw_stop = lines[r] + row[_START], lines[r] + row[_STOP]
        start, stop = trimmed(ink[r - first], row[_START], row[_STOP])
        start, stop = lines[r] + start, lines[r] + stop
        bit = _ONE << np.uint64(r - first)
        value, good = np.int64(0), False
        if start < stop:
            day, clock, good = moment(data, start, stop, row[_FORMAT], formats)
            if op == _DATE:
                value = day
            elif op == _TIME:
                value = clock * 1_000_000_000
            else:
                value = (day * 86400 + clock) * 1_000_000
        absent = not good and (start == stop or (op != _TIME and is_no_date(data, raw_start, raw_stop)))
        good = not row[_REQUIRED] if absent else good and row[_LOW] <= value and value <= row[_HIGH]
        if row[_CONSTANT] >= 0:
            good = good and in_set(data, start, stop, row[_CONSTANT], bounds, keys, items, spelt_items)
        values[r - first] = value
        if not good:
            doubtful |= bit
        elif not absent:
            valid |= bit
    return valid, doubtful


_BYTES, _NUMBERS, _TABLE = types.uint8[::1], types.int64[::1], types.int64[:, ::1]
_SETS = types.Tuple((_NUMBERS, types.uint64[::1], _NUMBERS, _BYTES))


@njit(
    types.int64(
        _BYTES,
        _NUMBERS,
        _TABLE,
        types.Tuple((_SETS, _TABLE, _BYTES, types.boolean[::1])),
        _TABLE,
        types.Tuple((types.uint8[:, ::1], _NUMBERS)),
        types.boolean,
        _NUMBERS,
        types.Tuple((_BYTES, types.int32[:, ::1])),
        types.Tuple((_TABLE, types.int64[:, :, ::1], types.int32[:, ::1])),
        types.uint64[:, ::1],
        types.int32[:, ::1],
    ),
    cache=True,
    nogil=True,
    error_model="numpy",
)
def read_cells(
    data: Bytes,
    lines: Numbers,
    fields: Numbers,
    tables: Tables,
    formats: Numbers,
    spelling: Spelling,
    plain: bool,
    bases: Numbers,
    texts: tuple[Bytes, Places],
    numbers: tuple[Numbers, Numbers, Places],
    valid: Words,
    doubts: Places,
) -> int:
    """Read every field of every line.

    ``lines``: where each line begins in ``data``. ``spelling`` says every byte in UTF-8, and ``plain`` that there is no
    need to. ``texts``: (bytes, ends) of all text columns: column i writes from ``bases[i]`` on, and its value of line r
    ends at ``ends[i, r + 1]``, counted from ``bases[i]``. ``numbers``: whole numbers, decimals (low and high half) and
    days. ``valid``: a word per tile and field, in the order of ``fields``, with a bit per line. ``doubts``: (field,
    line) of the cells left to ``convert``. Returns how many doubts there are.
    """
    text, ends = texts
    wholes, decimals, days = numbers
    cursors = bases.copy()
    values = np.empty(TILE, dtype=np.int64)
    ink = np.empty((TILE, (fields[:, _STOP].max() + 63) // 64), dtype=np.uint64)
    told = 0
    for first in range(0, lines.shape[0], TILE):
        last = min(first + TILE, lines.shape[0])
        for r in range(first, last):
            find_ink(data, lines[r], ink[r - first])
        for f in range(fields.shape[0]):
            row = fields[f]
            op, slot = row[_OP], row[_SLOT]
            bits, doubtful = _NONE, _NONE
            if op <= _DOCUMENT_OP:
                base, end = bases[slot], cursors[slot]
                if op == _DIGITS:
                    end, bits, doubtful = _digits(
                        data, lines, ink, first, last, row, text, base, end, ends[slot], tables
                    )
                elif op == _DOCUMENT_OP:
                    end, bits, doubtful = _documents(data, lines, ink, first, last, row, text, base, end, ends[slot])
                elif row[_CONSTANT] >= 0 or row[_DOMAIN] >= 0 or row[_CHECK] != _NO_CHECK or row[_REQUIRED]:
                    end, bits, doubtful = _checked_texts(
                        data, lines, ink, first, last, row, text, base, end, ends[slot], spelling, plain, tables
                    )
                else:
                    end, bits = _texts(data, lines, ink, first, last, row, text, base, end, ends[slot], spelling, plain)
                cursors[slot] = end
            elif op in (_INTEGER, _DECIMAL):
                bits, doubtful = _whole_numbers(data, lines, ink, first, last, row, values, tables[0])
            else:
                bits, doubtful = _moments(data, lines, ink, first, last, row, values, tables[0], formats)
            if op == _DECIMAL:
                for r in range(first, last):
                    decimals[slot, r, 0] = values[r - first]
                    decimals[slot, r, 1] = values[r - first] >> 63
            elif op == _DATE:
                for r in range(first, last):
                    days[slot, r] = values[r - first]
            elif op > _DOCUMENT_OP:
                for r in range(first, last):
                    wholes[slot, r] = values[r - first]
            valid[f, first // TILE] = bits
            if doubtful:
                for r in range(first, last):
                    if doubtful >> np.uint64(r - first) & _ONE:
                        doubts[told, 0] = f
                        doubts[told, 1] = r
                        told += 1
    return told
