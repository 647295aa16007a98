"""The loops over the lines of a block: cells to the buffers of Arrow columns, to be compiled by numba.

Only what a ``Program`` says is usual is read here; every other cell is left empty and told of as a doubt, for
``convert`` to judge. So a value that comes out of here is what ``convert`` would have given, with no fault.

Lines are taken 64 at a time, a tile, and field by field. A field that is blank in a whole tile, or has its ink at the
same places in all lines, is seen at once. The loops over a tile return, beside where text ends, two words of a bit per
line: which cells have a value, and which are in doubt. Outputs are zeros before.
"""

from __future__ import annotations

import numpy as np

from atom_pipeline.layout.compiled.codes import (
    COLUMNS,
    SEEN_CELLS,
    SEEN_DATES,
    TILE,
    WORD,
    Bytes,
    Numbers,
    Places,
    Sets,
    Spelling,
    Tables,
    Words,
)
from atom_pipeline.layout.compiled.intrinsics import BLANK, moved, part, small, trailing_zeros
from atom_pipeline.layout.compiled.numbers import is_no_date, moment, whole
from atom_pipeline.layout.compiled.text import (
    BLANK_ALL,
    MIXED,
    ZERO,
    alike,
    copy,
    copy_and_put,
    digits_in,
    document,
    find_ink,
    first_bytes,
    has_shape,
    in_set,
    is_ascii,
    is_email,
    person,
    place_of,
    put,
    trimmed,
)

# The compiler knows a module's numbers, not an enumeration's: ``codes.Column``, ``Op`` and ``Check`` in their order.
_OP, _START, _STOP, _SLOT, _REQUIRED, _CONSTANT, _DOMAIN, _LOW, _HIGH, _SIGN = range(10)
_STRIP_ZEROS, _ZERO_PAD, _NO_ZEROS, _CHECK, _FORMAT, _DOCUMENT, _PERSON_START, _PERSON_STOP = range(10, 18)
_TEXT, _DIGITS, _DOCUMENT_OP, _INTEGER, _DECIMAL, _DATE, _TIME = range(7)
_NO_CHECK, _EMAIL, _SHAPE = range(3)

_SPREAD = np.uint64(0x9E3779B97F4A7C15)
_ONE, _NONE, _ALL = np.uint64(1), np.uint64(0), np.uint64(0xFFFFFFFFFFFFFFFF)


@part
def _passes(out: Bytes, start: int, stop: int, row: Numbers, tables: Tables) -> bool:
    """Whether a value is of the domain of its field and passes its check."""
    sets, shapes = tables
    if row[_DOMAIN] >= 0 and not in_set(out, start, stop, row[_DOMAIN], sets):
        return False
    if row[_CHECK] == _NO_CHECK:
        return True
    if row[_CHECK] == _EMAIL:
        return is_email(out, start, stop)
    return has_shape(out, start, stop, row[_CHECK] - _SHAPE, shapes)


@small
def _is_constant(data: Bytes, start: int, stop: int, row: Numbers, sets: Sets) -> bool:
    """Whether a cell is what it must always be, where it must."""
    return row[_CONSTANT] < 0 or in_set(data, start, stop, row[_CONSTANT], sets)


@part
def _texts(
    data: Bytes,
    lines: Numbers,
    height: int,
    spans: Places,
    text: Bytes,
    base: int,
    cursor: int,
    views: Words,
    spelling: Spelling,
    plain: bool,
) -> tuple[int, int]:
    """Text that may hold anything or nothing. There is no doubt of it."""
    valid = _NONE
    for r in range(height):
        start, stop = lines[r] + spans[2 * r], lines[r] + spans[2 * r + 1]
        if start < stop:
            valid |= _ONE << np.uint64(r)
            cursor = copy_and_put(data, start, stop, text, base, cursor, spelling, plain, views, r)
    return cursor, valid


@part
def _checked_texts(
    data: Bytes,
    lines: Numbers,
    height: int,
    spans: Places,
    row: Numbers,
    text: Bytes,
    base: int,
    cursor: int,
    views: Words,
    spelling: Spelling,
    plain: bool,
    tables: Tables,
    seen: Words,
) -> tuple[int, int, int]:
    """Text with something to look at. ``seen``: cells of up to eight bytes that were found good before."""
    valid, doubtful = _NONE, _NONE
    for r in range(height):
        start, stop = lines[r] + spans[2 * r], lines[r] + spans[2 * r + 1]
        bit = _ONE << np.uint64(r)
        cell = first_bytes(data, start, stop - start) if start < stop else _NONE
        short = start < stop and stop - start <= WORD and is_ascii(cell)
        good = short and seen[place_of(cell)] == cell
        if good:
            valid |= bit
            cursor = copy_and_put(data, start, stop, text, base, cursor, spelling, plain, views, r)
        elif not _is_constant(data, start, stop, row, tables[0]):
            doubtful |= bit
        elif start == stop:
            doubtful |= bit if row[_REQUIRED] else _NONE
        else:
            end = copy(data, start, stop, text, cursor, spelling, plain)
            if _passes(text, cursor, end, row, tables):
                valid |= bit
                cursor = put(text, base, cursor, end, views, r)
                if short:
                    seen[place_of(cell)] = cell
            else:
                doubtful |= bit
    return cursor, valid, doubtful


@part
def _digits(
    data: Bytes,
    lines: Numbers,
    height: int,
    spans: Places,
    row: Numbers,
    text: Bytes,
    base: int,
    cursor: int,
    views: Words,
    spelling: Spelling,
    tables: Tables,
    seen: Words,
) -> tuple[int, int, int]:
    """Digits that are text."""
    valid, doubtful = _NONE, _NONE
    checked = row[_DOMAIN] >= 0 or row[_CHECK] != _NO_CHECK
    for r in range(height):
        start, stop = lines[r] + spans[2 * r], lines[r] + spans[2 * r + 1]
        bit = _ONE << np.uint64(r)
        significant, good = digits_in(data, start, stop)
        good = good and _is_constant(data, start, stop, row, tables[0])
        absent = start == stop or (significant == stop and (row[_STRIP_ZEROS] or row[_NO_ZEROS]))
        if not good or (absent and row[_REQUIRED]):
            doubtful |= bit
            continue
        if absent:
            continue
        if row[_STRIP_ZEROS] or row[_ZERO_PAD]:
            start = significant
        size = stop - start
        if row[_ZERO_PAD] and size > row[_ZERO_PAD]:
            doubtful |= bit
            continue
        if not checked and size >= row[_ZERO_PAD]:
            valid |= bit
            cursor = copy_and_put(data, start, stop, text, base, cursor, spelling, True, views, r)
            continue
        end = cursor
        for _ in range(row[_ZERO_PAD] - size):
            text[end] = ZERO
            end += 1
        end = copy(data, start, stop, text, end, spelling, True)
        cell = first_bytes(text, cursor, end - cursor) if cursor < end else _NONE
        short = cursor < end <= cursor + WORD
        known = short and seen[place_of(cell)] == cell
        if known or not checked or _passes(text, cursor, end, row, tables):
            if short:
                seen[place_of(cell)] = cell
            valid |= bit
            cursor = put(text, base, cursor, end, views, r)
        else:
            doubtful |= bit
    return cursor, valid, doubtful


@part
def _documents(
    data: Bytes,
    lines: Numbers,
    height: int,
    spans: Places,
    row: Numbers,
    text: Bytes,
    base: int,
    cursor: int,
    views: Words,
    spelling: Spelling,
) -> tuple[int, int, int]:
    """CPF and CNPJ."""
    valid, doubtful = _NONE, _NONE
    for r in range(height):
        start, stop = lines[r] + spans[2 * r], lines[r] + spans[2 * r + 1]
        bit = _ONE << np.uint64(r)
        whose = np.int64(BLANK)
        if row[_PERSON_START] >= 0:
            whose = person(data, lines[r] + row[_PERSON_START], lines[r] + row[_PERSON_STOP])
        begin = document(data, start, stop, row[_DOCUMENT], whose)
        if begin >= 0:
            cursor = copy_and_put(data, begin, stop, text, base, cursor, spelling, True, views, r)
            valid |= bit
        elif begin < -1 or row[_REQUIRED]:
            doubtful |= bit
    return cursor, valid, doubtful


@part
def _whole_numbers(
    data: Bytes, lines: Numbers, height: int, spans: Places, row: Numbers, values: Numbers, sets: Sets
) -> tuple[int, int]:
    """Whole numbers, and decimals with all their digits."""
    valid, doubtful = _NONE, _NONE
    for r in range(height):
        start, stop = lines[r] + spans[2 * r], lines[r] + spans[2 * r + 1]
        bit = _ONE << np.uint64(r)
        value, good = np.int64(0), not row[_REQUIRED]
        if start < stop:
            value, good = whole(data, start, stop, row[_SIGN])
            good = good and row[_LOW] <= value and value <= row[_HIGH]
        good = good and _is_constant(data, start, stop, row, sets)
        values[r] = value
        if not good:
            doubtful |= bit
        elif start < stop:
            valid |= bit
    return valid, doubtful


@part
def _moments(
    data: Bytes,
    lines: Numbers,
    height: int,
    spans: Places,
    row: Numbers,
    values: Numbers,
    sets: Sets,
    form: Numbers,
    seen: Words,
) -> tuple[int, int]:
    """Dates as days since 1970, times as nanoseconds since midnight, both as microseconds since 1970.

    ``seen``: cells of eight bytes that are dates, and their days.
    """
    valid, doubtful = _NONE, _NONE
    op = row[_OP]
    for r in range(height):
        start, stop = lines[r] + spans[2 * r], lines[r] + spans[2 * r + 1]
        bit = _ONE << np.uint64(r)
        value, good = np.int64(0), False
        short = op == _DATE and stop - start == WORD
        cell = first_bytes(data, start, WORD) if short else _NONE
        place = 2 * np.int64((cell * _SPREAD) >> np.uint64(64 - SEEN_DATES))
        if short and seen[place] == cell:
            value, good = np.int64(seen[place + 1]), True
        elif start < stop:
            day, clock, good = moment(data, start, stop, form)
            if op == _DATE:
                value = day
                if short and good:
                    seen[place] = cell
                    seen[place + 1] = np.uint64(day)
            elif op == _TIME:
                value = clock * 1_000_000_000
            else:
                value = (day * 86400 + clock) * 1_000_000
        absent = not good and (
            start == stop or (op != _TIME and is_no_date(data, lines[r] + row[_START], lines[r] + row[_STOP]))
        )
        good = not row[_REQUIRED] if absent else good and row[_LOW] <= value and value <= row[_HIGH]
        good = good and _is_constant(data, start, stop, row, sets)
        values[r] = value
        if not good:
            doubtful |= bit
        elif not absent:
            valid |= bit
    return valid, doubtful


@part
def read_tiles(
    data: Bytes,
    lines: Numbers,
    height: int,
    fields: Numbers,
    count: int,
    tables: Tables,
    formats: tuple[Numbers, int],
    spelling: Spelling,
    plain: bool,
    bases: Numbers,
    texts: tuple[Bytes, Words, Numbers],
    numbers: tuple[Numbers, Numbers, Places],
    valid: Words,
    doubts: Places,
    seen: tuple[Words, Words],
    ink: tuple[Words, int],
    rooms: tuple[Places, Numbers],
) -> int:
    """Read every field of every line.

    ``lines``: where each line begins in ``data``. ``spelling`` says every byte in UTF-8, and ``plain`` that there is no
    need to. ``texts``: bytes and views of all text columns, and where each column's bytes end: column i writes bytes
    from ``bases[i]`` on. ``numbers``: whole numbers, decimals (low and high half) and days. ``valid``: a word per tile
    and field, in the order of ``fields``, with a bit per line. ``doubts``: (field, line) of the cells left to
    ``convert``. ``seen``: cells that need no second look, by field and by format. ``ink``: words for a tile's lines,
    for any and for all of them, and how many make a line. ``rooms``: where each cell of a field begins and ends in its
    line; values. Returns how many doubts there are.
    """
    text, views, cursors = texts
    wholes, decimals, days = numbers
    lines_ink, words = ink
    some, every = moved(lines_ink, TILE * words), moved(lines_ink, (TILE + 1) * words)
    spans, values = rooms
    tiles = (height + TILE - 1) // TILE
    told = 0
    for tile in range(tiles):
        first = tile * TILE
        size = min(TILE, height - first)
        these = moved(lines, first)
        for i in range(words):
            some[i] = _NONE
            every[i] = _ALL
        for r in range(size):
            find_ink(data, these[r], words, moved(lines_ink, r * words), some, every)
        for f in range(count):
            row = moved(fields, f * COLUMNS)
            op, slot = row[_OP], row[_SLOT]
            how = alike(some, every, row[_START], row[_STOP])
            if how == BLANK_ALL and not row[_REQUIRED] and row[_CONSTANT] < 0:
                continue
            start, stop = trimmed(some, row[_START], row[_STOP])
            for r in range(size):
                if how == MIXED:
                    start, stop = trimmed(moved(lines_ink, r * words), row[_START], row[_STOP])
                spans[2 * r] = start
                spans[2 * r + 1] = stop
            bits, doubtful = _NONE, _NONE
            known = moved(seen[0], f << SEEN_CELLS)
            if op <= _DOCUMENT_OP:
                base, end, out = bases[slot], cursors[slot], moved(views, 2 * (slot * height + first))
                if op == _DIGITS:
                    end, bits, doubtful = _digits(
                        data, these, size, spans, row, text, base, end, out, spelling, tables, known
                    )
                elif op == _DOCUMENT_OP:
                    end, bits, doubtful = _documents(data, these, size, spans, row, text, base, end, out, spelling)
                elif row[_CONSTANT] >= 0 or row[_DOMAIN] >= 0 or row[_CHECK] != _NO_CHECK or row[_REQUIRED]:
                    end, bits, doubtful = _checked_texts(
                        data, these, size, spans, row, text, base, end, out, spelling, plain, tables, known
                    )
                else:
                    end, bits = _texts(data, these, size, spans, text, base, end, out, spelling, plain)
                cursors[slot] = end
            elif op in (_INTEGER, _DECIMAL):
                bits, doubtful = _whole_numbers(data, these, size, spans, row, values, tables[0])
            else:
                number = max(row[_FORMAT], 0)
                form, dates = moved(formats[0], number * formats[1]), moved(seen[1], number << (SEEN_DATES + 1))
                bits, doubtful = _moments(data, these, size, spans, row, values, tables[0], form, dates)
            if op == _DECIMAL:
                decimal = moved(decimals, 2 * (slot * height + first))
                for r in range(size):
                    decimal[2 * r] = values[r]
                    decimal[2 * r + 1] = values[r] >> 63
            elif op == _DATE:
                day = moved(days, slot * height + first)
                for r in range(size):
                    day[r] = values[r]
            elif op > _DOCUMENT_OP:
                number_ = moved(wholes, slot * height + first)
                for r in range(size):
                    number_[r] = values[r]
            valid[f * tiles + tile] = bits
            while doubtful:
                doubts[2 * told] = f
                doubts[2 * told + 1] = first + trailing_zeros(doubtful)
                doubtful &= doubtful - _ONE
                told += 1
    return told
