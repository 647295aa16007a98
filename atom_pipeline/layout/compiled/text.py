"""What the loops do to single cells of text: trim, copy as UTF-8, compare with sets and shapes, check documents."""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic

from atom_pipeline.layout.compiled.cache import part
from atom_pipeline.layout.compiled.codes import WORD, Bytes, Flags, Numbers, Words

BLANK, ZERO, NINE, HYPHEN, PLUS = 32, 48, 57, 45, 43
_ALL, _UPPER_HALF = np.uint64(0xFFFFFFFFFFFFFFFF), np.uint64(0x8080808080808080)


@intrinsic
def _word(_context: Any, data: Any, place: Any) -> Any:  # noqa: ARG001
    """Eight bytes of an array from a place on, as one number."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        at = cgutils.pointer_add(builder, array.data, arguments[1], ir.IntType(64).as_pointer())
        return builder.load(at, align=1)

    return types.uint64(data, types.int64), generate


@intrinsic
def _put_word(_context: Any, data: Any, place: Any, word: Any) -> Any:  # noqa: ARG001
    """Write eight bytes of an array from a place on."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        at = cgutils.pointer_add(builder, array.data, arguments[1], ir.IntType(64).as_pointer())
        builder.store(arguments[2], at, align=1)
        return context.get_dummy_value()

    return types.void(data, types.int64, types.uint64), generate


@intrinsic
def _differing(_context: Any, data: Any, place: Any) -> Any:  # noqa: ARG001
    """Which of 64 bytes of an array from a place on are no blanks: a bit each."""

    def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        array = context.make_array(signature.args[0])(context, builder, arguments[0])
        vector = ir.VectorType(ir.IntType(8), 64)
        at = cgutils.pointer_add(builder, array.data, arguments[1], vector.as_pointer())
        differ = builder.icmp_unsigned("!=", builder.load(at, align=1), ir.Constant(vector, [BLANK] * 64))
        return builder.bitcast(differ, ir.IntType(64))

    return types.uint64(data, types.int64), generate


@intrinsic
def _leading_zeros(_context: Any, word: Any) -> Any:  # noqa: ARG001
    """How many of the upper bits of a number are zero; the number is not zero."""

    def generate(_target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.ctlz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.uint64), generate


@intrinsic
def _trailing_zeros(_context: Any, word: Any) -> Any:  # noqa: ARG001
    """How many of the lower bits of a number are zero; the number is not zero."""

    def generate(_target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.uint64), generate


@part
def find_ink(data: Bytes, line: int, ink: Words) -> None:
    """Say of every byte of a line whether it is no blank, a bit each; also brings the line into the cache, in order."""
    size = data.shape[0]
    for i in range(ink.shape[0]):
        place = line + 64 * i
        if place + 64 <= size:
            ink[i] = _differing(data, place)
            continue
        bits = np.uint64(0)
        for j in range(size - place):
            if data[place + j] != BLANK:
                bits |= np.uint64(1) << np.uint64(j)
        ink[i] = bits


@part
def trimmed(ink: Words, start: int, stop: int) -> tuple[int, int]:
    """Where a cell of a line begins and ends without the blanks around it; the same twice where it is blank."""
    a, b = start >> 6, (stop - 1) >> 6
    low = _ALL << np.uint64(start & 63)
    high = _ALL >> np.uint64(63 - ((stop - 1) & 63))
    if a == b:
        bits = ink[a] & low & high
        if bits == 0:
            return start, start
        return a * 64 + _trailing_zeros(bits), a * 64 + 64 - _leading_zeros(bits)
    first, bits = a, ink[a] & low
    while bits == 0 and first < b:
        first += 1
        bits = ink[first]
    if first == b:
        bits &= high
        if bits == 0:
            return start, start
        return b * 64 + _trailing_zeros(bits), b * 64 + 64 - _leading_zeros(bits)
    start = first * 64 + _trailing_zeros(bits)
    last, bits = b, ink[b] & high
    while bits == 0:
        last -= 1
        bits = ink[last]
    return start, last * 64 + 64 - _leading_zeros(bits)


@part
def copy(data: Bytes, start: int, stop: int, out: Bytes, cursor: int, spelt: Bytes, sizes: Numbers, plain: bool) -> int:
    """Write bytes as UTF-8; returns where they end. May write up to a word more, which the next value writes over."""
    size = data.shape[0]
    i = start
    while i < stop:
        if i + WORD <= size:
            word = _word(data, i)
            if plain or not word & _UPPER_HALF:
                _put_word(out, cursor, word)
                step = min(WORD, stop - i)
                i += step
                cursor += step
                continue
        for _ in range(min(WORD, stop - i)):
            byte = data[i]
            i += 1
            if byte < 128 or plain:
                out[cursor] = byte
                cursor += 1
            else:
                for j in range(sizes[byte]):
                    out[cursor + j] = spelt[byte, j]
                cursor += sizes[byte]
    return cursor


@part
def eight_digits(data: Bytes, start: int) -> tuple[int, bool]:
    """The value of eight digits, looked at all at once, and whether they are digits."""
    word = _word(data, start)
    high = word & np.uint64(0xF0F0F0F0F0F0F0F0)
    above = ((word & np.uint64(0x0F0F0F0F0F0F0F0F)) + np.uint64(0x0606060606060606)) & np.uint64(0xF0F0F0F0F0F0F0F0)
    is_digits = high == np.uint64(0x3030303030303030) and above == 0
    word &= np.uint64(0x0F0F0F0F0F0F0F0F)
    word = (word * np.uint64(10) + (word >> np.uint64(8))) & np.uint64(0x00FF00FF00FF00FF)
    word = (word * np.uint64(100) + (word >> np.uint64(16))) & np.uint64(0x0000FFFF0000FFFF)
    word = (word * np.uint64(10000) + (word >> np.uint64(32))) & np.uint64(0x00000000FFFFFFFF)
    return np.int64(word), is_digits


@part
def _packed(data: Bytes, start: int, size: int) -> int:
    """The first bytes of a cell, up to eight, as one number."""
    if start + WORD <= data.shape[0]:
        return _word(data, start) & (_ALL >> np.uint64(64 - 8 * min(size, WORD)))
    key = np.uint64(0)
    for i in range(min(size, WORD)):
        key |= np.uint64(data[start + i]) << np.uint64(8 * i)
    return key


@part
def in_set(
    data: Bytes, start: int, stop: int, number: int, bounds: Numbers, keys: Words, items: Numbers, spelt: Bytes
) -> bool:
    """Whether bytes are among those of a set; the tables are those of ``codes.Sets``."""
    size = stop - start
    key = _packed(data, start, size) if size > 0 else np.uint64(0)
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
def has_shape(
    data: Bytes, start: int, stop: int, number: int, shapes: Numbers, classes: Bytes, area_codes: Flags
) -> bool:
    """Whether bytes have one of the forms of a list of shapes."""
    for row in range(shapes.shape[0]):
        if shapes[row, 0] != number:
            continue
        first = start
        if shapes[row, 1]:
            first += 2
        if stop - first != shapes[row, 3]:
            continue
        good = True
        for i in range(stop - first):
            if not classes[data[first + i]] & shapes[row, 4 + i]:
                good = False
                break
        if good and shapes[row, 1]:
            good = is_digit(data[start]) and is_digit(data[start + 1])
            good = good and area_codes[(np.int64(data[start]) - ZERO) * 10 + np.int64(data[start + 1]) - ZERO]
        if good and shapes[row, 2]:
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
    if size == 11 and digits and not padded and kind != 2 and not is_j and _is_cpf(data, start):
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
