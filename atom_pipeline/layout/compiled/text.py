"""What the loops do to single cells of text: trim, copy as UTF-8, compare with sets and shapes, check documents."""

from __future__ import annotations

import numpy as np

from atom_pipeline.layout.compiled.codes import INLINE, SEEN_CELLS, WORD, Bytes, Sets, Shapes, Spelling, Words
from atom_pipeline.layout.compiled.intrinsics import (
    BLANK,
    differing,
    leading_zeros,
    moved,
    part,
    put_word,
    small,
    trailing_zeros,
    word_at,
)

ZERO, NINE, HYPHEN, PLUS = 48, 57, 45, 43
BLANK_ALL, SAME_PLACES, MIXED = range(3)  # of the lines of a tile; see ``alike``
_ALL, _UPPER_HALF = np.uint64(0xFFFFFFFFFFFFFFFF), np.uint64(0x8080808080808080)
_NONE, _ZEROS = np.uint64(0), np.uint64(0x3030303030303030)
_SPREAD = np.uint64(0x9E3779B97F4A7C15)


@small
def find_ink(data: Bytes, line: int, words: int, ink: Words, some: Words, every: Words) -> None:
    """Say of every byte of a line whether it is no blank, a bit each; also brings the line into the cache, in order.

    ``some`` and ``every`` gather which bytes are no blank in any and in all of the lines of a tile.
    """
    for i in range(words):
        bits = differing(data, line + 64 * i)
        ink[i] = bits
        some[i] |= bits
        every[i] &= bits


@small
def alike(some: Words, every: Words, start: int, stop: int) -> int:
    """How a field stands in the lines of a tile: BLANK_ALL, SAME_PLACES (ink at the same places in all), or MIXED."""
    a, b = start >> 6, (stop - 1) >> 6
    found, differ = _NONE, _NONE
    for i in range(a, b + 1):
        mask = _ALL
        if i == a:
            mask &= _ALL << np.uint64(start & 63)
        if i == b:
            mask &= _ALL >> np.uint64(63 - ((stop - 1) & 63))
        found |= some[i] & mask
        differ |= (some[i] ^ every[i]) & mask
    if found == 0:
        return BLANK_ALL
    return SAME_PLACES if differ == 0 else MIXED


@small
def trimmed(ink: Words, start: int, stop: int) -> tuple[int, int]:
    """Where a cell of a line begins and ends without the blanks around it; the same twice where it is blank."""
    a, b = start >> 6, (stop - 1) >> 6
    low = _ALL << np.uint64(start & 63)
    high = _ALL >> np.uint64(63 - ((stop - 1) & 63))
    if a == b:
        bits = ink[a] & low & high
        if bits == 0:
            return start, start
        return a * 64 + trailing_zeros(bits), a * 64 + 64 - leading_zeros(bits)
    first, bits = a, ink[a] & low
    while bits == 0 and first < b:
        first += 1
        bits = ink[first]
    if first == b:
        bits &= high
        if bits == 0:
            return start, start
        return b * 64 + trailing_zeros(bits), b * 64 + 64 - leading_zeros(bits)
    start = first * 64 + trailing_zeros(bits)
    last, bits = b, ink[b] & high
    while bits == 0:
        last -= 1
        bits = ink[last]
    return start, last * 64 + 64 - leading_zeros(bits)


@small
def first_bytes(data: Bytes, start: int, size: int) -> int:
    """The first bytes of a cell, one to eight, as one number; the bytes after it are zero."""
    return word_at(data, start) & (_ALL >> np.uint64(64 - 8 * min(size, WORD)))


@small
def is_ascii(word: int) -> bool:
    return word & _UPPER_HALF == 0


@small
def place_of(word: int) -> int:
    """Where a number is kept in a table of 64 that have been seen."""
    return np.int64((word * _SPREAD) >> np.uint64(64 - SEEN_CELLS))


@small
def put_short(views: Words, r: int, low: int, high: int, size: int) -> None:
    """The view of a value of up to 12 bytes: its size, and the bytes themselves."""
    views[2 * r] = np.uint64(size) | (low << np.uint64(32))
    views[2 * r + 1] = (low >> np.uint64(32)) | (high << np.uint64(32))


@small
def put(text: Bytes, base: int, start: int, stop: int, views: Words, r: int) -> int:
    """The view of a value that was written to ``text``; returns where the next one may be written."""
    size = stop - start
    low = first_bytes(text, start, size)
    if size <= INLINE:
        high = first_bytes(text, start + WORD, size - WORD) if size > WORD else _NONE
        put_short(views, r, low, high, size)
        return start
    views[2 * r] = np.uint64(size) | (low << np.uint64(32))
    views[2 * r + 1] = np.uint64(start - base) << np.uint64(32)
    return stop


@part
def copy(data: Bytes, start: int, stop: int, out: Bytes, cursor: int, spelling: Spelling, plain: bool) -> int:
    """Write bytes as UTF-8; returns where they end. May write up to a word more, which the next value writes over."""
    spelt, sizes = spelling
    for i in range(start, stop, WORD):
        word = word_at(data, i)
        step = min(WORD, stop - i)
        if plain or is_ascii(word & (_ALL >> np.uint64(64 - 8 * step))):
            put_word(out, cursor, word)
            cursor += step
            continue
        for place in range(i, i + step):
            byte = np.int64(data[place])
            for j in range(sizes[byte]):
                out[cursor] = spelt[3 * byte + j]
                cursor += 1
    return cursor


@small
def copy_and_put(
    data: Bytes, start: int, stop: int, text: Bytes, base: int, cursor: int, spelling: Spelling, plain: bool,
    views: Words, r: int,
) -> int:  # fmt: skip
    """A value that is the cell itself, which is not empty; returns where the next one may be written."""
    size = stop - start
    if size <= INLINE:
        low = first_bytes(data, start, size)
        high = first_bytes(data, start + WORD, size - WORD) if size > WORD else _NONE
        if plain or is_ascii(low | high):
            put_short(views, r, low, high, size)
            return cursor
    end = copy(data, start, stop, text, cursor, spelling, plain)
    return put(text, base, cursor, end, views, r)


@small
def _are_digits(word: int) -> bool:
    """Whether eight bytes are all digits."""
    above = ((word & np.uint64(0x0F0F0F0F0F0F0F0F)) + np.uint64(0x0606060606060606)) & np.uint64(0xF0F0F0F0F0F0F0F0)
    return word & np.uint64(0xF0F0F0F0F0F0F0F0) == _ZEROS and above == 0


@part
def digits_in(data: Bytes, start: int, stop: int) -> tuple[int, bool]:
    """Where the first digit that is no zero stands (``stop`` for none), and whether all bytes are digits."""
    first, good = stop, True
    for i in range(start, stop, WORD):
        size = min(WORD, stop - i)
        word = first_bytes(data, i, size)
        if size < WORD:
            word |= _ZEROS << np.uint64(8 * size)
        good &= _are_digits(word)
        if first == stop and word != _ZEROS:
            first = i + (trailing_zeros(word ^ _ZEROS) >> 3)
    return first, good


@part
def number_of(data: Bytes, start: int, stop: int) -> tuple[int, bool]:
    """The value of up to 18 digits, and whether they are digits."""
    value, good = np.int64(0), True
    size = (stop - start) & 7
    if size:
        word = first_bytes(data, start, size)
        word = (word << np.uint64(64 - 8 * size)) | (_ZEROS >> np.uint64(8 * size))
        value, good = _eight(word)
        start += size
    while start < stop:
        eight, are_digits = _eight(word_at(data, start))
        value = value * 100_000_000 + eight
        good &= are_digits
        start += WORD
    return value, good


@small
def _eight(word: int) -> tuple[int, bool]:
    """The value of eight digits, looked at all at once, and whether they are digits."""
    good = _are_digits(word)
    word &= np.uint64(0x0F0F0F0F0F0F0F0F)
    word = (word * np.uint64(10) + (word >> np.uint64(8))) & np.uint64(0x00FF00FF00FF00FF)
    word = (word * np.uint64(100) + (word >> np.uint64(16))) & np.uint64(0x0000FFFF0000FFFF)
    word = (word * np.uint64(10000) + (word >> np.uint64(32))) & np.uint64(0x00000000FFFFFFFF)
    return np.int64(word), good


@part
def in_set(data: Bytes, start: int, stop: int, number: int, sets: Sets) -> bool:
    """Whether bytes are among those of a set; the tables are those of ``codes.Sets``."""
    bounds, keys, items, spelt = sets
    size = stop - start
    key = first_bytes(data, start, size) if size > 0 else _NONE
    for item in range(bounds[number], bounds[number + 1]):
        first = items[item]
        if keys[item] != key or items[item + 1] - first != size:
            continue
        same = True
        for i in range(WORD, size):
            same = same and data[start + i] == spelt[first + i]
        if same:
            return True
    return False


@part
def _is_letter(byte: int) -> bool:
    return (byte >= 65 and byte <= 90) or (byte >= 97 and byte <= 122)


@part
def is_digit(byte: int) -> bool:
    return byte >= ZERO and byte <= NINE


@part
def is_email(data: Bytes, start: int, stop: int) -> bool:
    """As ``checks`` has it: words with dots, @, two labels or more of which the last is letters."""
    at = -1
    for i in range(start, stop):
        byte = data[i]
        if byte == 64:
            at = i
            break
        if byte == 46:
            if i == start or data[i - 1] == 46:
                return False
        elif not (
            _is_letter(byte)
            or is_digit(byte)
            or byte == 33
            or (byte >= 35 and byte <= 39)  # # $ % & '
            or byte == 42
            or byte == 43
            or byte == 45
            or byte == 47
            or byte == 61
            or byte == 63
            or (byte >= 94 and byte <= 96)  # ^ _ `
            or (byte >= 123 and byte <= 126)  # { | } ~
        ):
            return False
    if at <= start or data[at - 1] == 46:
        return False
    label, labels, letters = at + 1, 0, True
    for i in range(at + 1, stop + 1):
        if i == stop or data[i] == 46:
            if i == label or data[label] == HYPHEN or data[i - 1] == HYPHEN:
                return False
            labels += 1
            if i == stop:
                return labels > 1 and letters and i - label > 1
            label, letters = i + 1, True
        elif not _is_letter(data[i]):
            letters = False
            if not (is_digit(data[i]) or data[i] == HYPHEN):
                return False
    return False


@part
def has_shape(data: Bytes, start: int, stop: int, number: int, shapes: Shapes) -> bool:
    """Whether bytes have one of the forms of a list of shapes."""
    table, rows, width, classes, area_codes = shapes
    for row in range(rows):
        shape = moved(table, row * width)
        if shape[0] != number:
            continue
        first = start
        if shape[1]:
            first += 2
        if stop - first != shape[3]:
            continue
        good = True
        for i in range(stop - first):
            if not classes[data[first + i]] & shape[4 + i]:
                good = False
                break
        if good and shape[1]:
            good = is_digit(data[start]) and is_digit(data[start + 1])
            good = good and area_codes[(np.int64(data[start]) - ZERO) * 10 + np.int64(data[start + 1]) - ZERO] != 0
        if good and shape[2]:
            good = False
            for i in range(5):
                good = good or data[start + i] != ZERO
        if good:
            return True
    return False


@part
def _is_cpf(data: Bytes, start: int) -> bool:
    """Whether eleven digits are a CPF."""
    first = second = 0
    same = True
    for i in range(9):
        digit = np.int64(data[start + i]) - ZERO
        same = same and data[start + i] == data[start]
        first += digit * (10 - i)
        second += digit * (11 - i)
    check_1, check_2 = np.int64(data[start + 9]) - ZERO, np.int64(data[start + 10]) - ZERO
    same = same and data[start + 9] == data[start] and data[start + 10] == data[start]
    second += check_1 * 2
    first, second = first % 11, second % 11
    first = 0 if first < 2 else 11 - first
    second = 0 if second < 2 else 11 - second
    return not same and first == check_1 and second == check_2


@part
def _is_cnpj(data: Bytes, start: int) -> bool:
    """Whether fourteen digits or capitals (never in the last two) have the check digits of a CNPJ."""
    first = second = 0
    for i in range(12):
        digit = np.int64(data[start + i]) - ZERO
        weight = 5 - i if i < 4 else 13 - i
        first += digit * weight
        second += digit * (6 - i if i < 5 else 14 - i)
    check_1, check_2 = np.int64(data[start + 12]) - ZERO, np.int64(data[start + 13]) - ZERO
    second += check_1 * 2
    first, second = first % 11, second % 11
    first = 0 if first < 2 else 11 - first
    second = 0 if second < 2 else 11 - second
    return first == check_1 and second == check_2


@part
def person(data: Bytes, start: int, stop: int) -> int:
    """F or J, or another byte; blank where it is not said."""
    for i in range(start, stop):
        byte = data[i]
        if byte != BLANK:
            return byte - 32 if byte == 102 or byte == 106 else byte
    return BLANK


@part
def document(data: Bytes, start: int, stop: int, kind: int, person: int) -> int:
    """Where a document in its usual form begins (a CPF may have zeros before it); -1 for none, -2 for a doubt."""
    size = stop - start
    zeros, digits = True, True
    for i in range(start, stop):
        zeros = zeros and data[i] == ZERO
        digits = digits and is_digit(data[i])
    if zeros:
        return -1
    padded = data[start] == ZERO and size > 3 and data[start + 1] == ZERO and data[start + 2] == ZERO
    is_f, is_j = person == 70, person == 74
    if size == 11 and digits and kind != 2 and not is_j and _is_cpf(data, start):
        return start
    if size != 14 or kind == 1:
        return -2
    if padded:
        return start + 3 if kind == 0 and is_f and digits and _is_cpf(data, start + 3) else -2
    if is_f:
        return -2
    for i in range(12):
        byte = data[start + i]
        if not (is_digit(byte) or (byte >= 65 and byte <= 90)):
            return -2
    if not (is_digit(data[start + 12]) and is_digit(data[start + 13])):
        return -2
    return start if _is_cnpj(data, start) else -2
