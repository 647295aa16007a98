"""Single machine instructions for the loops, which numba has no words for: bytes read eight and 64 at a time.

The loops work on plain pointers, since numba counts the references of arrays in every call. Whoever calls them sees to
it that ``blocks.ROOM`` bytes after the end of what they read may be read too.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

BLANK = 32
part = numba.njit(nogil=True, error_model="numpy")  # of the loops that ``entries`` compiles
small = numba.njit(nogil=True, error_model="numpy", forceinline=True)  # written out where it is called

_BYTE, _WORD, _LINE = ir.IntType(8), ir.IntType(64), ir.VectorType(ir.IntType(8), 64)


def _at(builder: Any, pointer: Any, place: Any, kind: Any) -> Any:
    """An address of bytes as a pointer to something larger."""
    return builder.bitcast(builder.gep(pointer, [place]), kind.as_pointer())


@intrinsic
def word_at(_context: Any, data: Any, place: Any) -> Any:  # noqa: ARG001
    """Eight bytes from a place on, as one number."""

    def generate(_target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.load(_at(builder, arguments[0], arguments[1], _WORD), align=1)

    return types.uint64(data, types.int64), generate


@intrinsic
def put_word(_context: Any, data: Any, place: Any, word: Any) -> Any:  # noqa: ARG001
    """Write eight bytes from a place on."""

    def generate(context: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        builder.store(arguments[2], _at(builder, arguments[0], arguments[1], _WORD), align=1)
        return context.get_dummy_value()

    return types.void(data, types.int64, types.uint64), generate


def _bit_for_each(look: Callable[[Any, Any], Any]) -> Any:
    """An intrinsic that looks at 64 bytes at once and gives a bit for each."""

    @intrinsic
    def bits(_context: Any, data: Any, place: Any) -> Any:  # noqa: ARG001
        def generate(_target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
            found = look(builder, builder.load(_at(builder, arguments[0], arguments[1], _LINE), align=1))
            return builder.bitcast(found, _WORD)

        return types.uint64(data, types.int64), generate

    return bits


def _all(byte: int) -> Any:
    return ir.Constant(_LINE, [byte] * 64)


def _may_be_control(builder: Any, line: Any) -> Any:
    return builder.icmp_unsigned("<=", builder.and_(builder.add(line, _all(1)), _all(0x7F)), _all(32))


differing = _bit_for_each(lambda builder, line: builder.icmp_unsigned("!=", line, _all(BLANK)))  # from a blank
upper = _bit_for_each(lambda builder, line: builder.icmp_signed("<", line, _all(0)))  # not ASCII
controls = _bit_for_each(_may_be_control)  # 0 to 31, 127 to 159, and 255 besides


@intrinsic
def leading_zeros(_context: Any, word: Any) -> Any:  # noqa: ARG001
    """How many of the upper bits of a number are zero; the number is not zero."""

    def generate(_target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.ctlz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.uint64), generate


@intrinsic
def trailing_zeros(_context: Any, word: Any) -> Any:  # noqa: ARG001
    """How many of the lower bits of a number are zero; the number is not zero."""

    def generate(_target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.cttz(arguments[0], ir.Constant(ir.IntType(1), 1))

    return types.int64(types.uint64), generate


@intrinsic
def moved(_context: Any, pointer: Any, places: Any) -> Any:  # noqa: ARG001
    """A pointer so many places on."""

    def generate(_target: Any, builder: Any, _signature: Any, arguments: Any) -> Any:
        return builder.gep(arguments[0], [arguments[1]])

    return pointer(pointer, types.int64), generate


def _pointer_to(kind: Any) -> Any:
    target: Any = types.CPointer(kind)  # type: ignore[no-untyped-call]

    @intrinsic
    def pointer(_context: Any, address: Any) -> Any:  # noqa: ARG001
        def generate(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            return builder.inttoptr(arguments[0], context.get_value_type(signature.return_type))

        return target(types.int64), generate

    return pointer


bytes_at, numbers_at, words_at = _pointer_to(types.uint8), _pointer_to(types.int64), _pointer_to(types.uint64)
places_at = _pointer_to(types.int32)
