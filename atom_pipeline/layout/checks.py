"""The checks that a value needs beyond its type: documents, phones, e-mail, state, postal code, plate, chassis.

Each rule is one Polars expression over a text column: true where the value is good, null where there is no value.
Values come canonical (``convert`` takes punctuation and padding away); what a failure does is the layout's to say.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import polars as pl

from atom_pipeline.layout.model import Rule

# Anatel's area codes in use.
DDDS = (
    *("11", "12", "13", "14", "15", "16", "17", "18", "19", "21", "22", "24", "27", "28"),
    *("31", "32", "33", "34", "35", "37", "38", "41", "42", "43", "44", "45", "46", "47", "48", "49"),
    *("51", "53", "54", "55", "61", "62", "63", "64", "65", "66", "67", "68", "69"),
    *("71", "73", "74", "75", "77", "79", "81", "82", "83", "84", "85", "86", "87", "88", "89"),
    *("91", "92", "93", "94", "95", "96", "97", "98", "99"),
)
UFS = (
    *("AC", "AL", "AM", "AP", "BA", "CE", "DF", "ES", "GO", "MA", "MG", "MS", "MT", "PA", "PB", "PE", "PI", "PR"),
    *("RJ", "RN", "RO", "RR", "RS", "SC", "SE", "SP", "TO"),
)
_SAME_DIGITS = tuple(digit * 11 for digit in "0123456789")
_DDD = f"(?:{'|'.join(DDDS)})"
_PHONE = "(?:9[0-9]{8}|[2-9][0-9]{7})"  # nine digits start with 9; eight-digit numbers never with 0 or 1
_EMAIL = (
    r"^[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    r"@(?:[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?\.)+[A-Za-z]{2,}$"
)
_CPF_WEIGHTS = (11, 10, 9, 8, 7, 6, 5, 4, 3, 2)
_CNPJ_WEIGHTS = (6, 5, 4, 3, 2, 9, 8, 7, 6, 5, 4, 3, 2)


def rule_expression(rule: Rule, column: pl.Expr) -> pl.Expr:
    """A boolean expression over a text column: true where the value follows the rule, null where it is null."""
    return pl.when(column.is_not_null()).then(_EXPRESSIONS[rule](column))


def _check_digits(column: pl.Expr, weights: Sequence[int]) -> pl.Expr:
    """Whether the two last characters are the modulo 11 check digits of those before them.

    A character's value is its code minus 48: a digit's is itself, and a letter's is as the CNPJ has it since July 2026.
    ``weights`` are those of the second digit; the first digit has the same without the first weight.
    """
    characters = column.cast(pl.Binary)
    values = [characters.bin.get(i, null_on_oob=True).cast(pl.Int32) - 48 for i in range(len(weights) + 1)]
    # Horizontal sums of plain additions: they are fused, and a null (a shorter value) makes the whole null.
    first = values[0] * weights[1]
    for value, weight in zip(values[1 : len(weights) - 1], weights[2:], strict=True):
        first = first + value * weight
    second = values[0] * weights[0]
    for value, weight in zip(values[1 : len(weights)], weights[1:], strict=True):
        second = second + value * weight
    return (_digit(first) == values[-2]) & (_digit(second) == values[-1])


def _digit(total: pl.Expr) -> pl.Expr:
    """The digit: what is missing from the total to a multiple of 11, and 0 for ten and eleven."""
    return (11 - total % 11) % 11 % 10


def _cpf(column: pl.Expr) -> pl.Expr:
    shape = column.str.contains(r"^[0-9]{11}$") & ~column.is_in(_SAME_DIGITS)
    return shape & _check_digits(column, _CPF_WEIGHTS).fill_null(False)


def _cnpj(column: pl.Expr) -> pl.Expr:
    shape = column.str.contains(r"^[0-9A-Z]{12}[0-9]{2}$") & ~column.str.starts_with("000000000000")
    return shape & _check_digits(column, _CNPJ_WEIGHTS).fill_null(False)


def _cpf_cnpj(column: pl.Expr) -> pl.Expr:
    return _cpf(column) | _cnpj(column)


def _matches(pattern: str) -> Callable[[pl.Expr], pl.Expr]:
    return lambda column: column.str.contains(pattern)


def _one_of(values: Sequence[str]) -> Callable[[pl.Expr], pl.Expr]:
    return lambda column: column.is_in(list(values))


_EXPRESSIONS: dict[Rule, Callable[[pl.Expr], pl.Expr]] = {
    Rule.CPF_CNPJ: _cpf_cnpj,
    Rule.CPF: _cpf,
    Rule.CNPJ: _cnpj,
    Rule.DDD: _one_of(DDDS),
    Rule.PHONE: _matches(f"^{_PHONE}$"),
    Rule.PHONE_WITH_DDD: _matches(f"^{_DDD}{_PHONE}$"),
    Rule.MOBILE_WITH_DDD: _matches(f"^{_DDD}9[0-9]{{8}}$"),
    Rule.EMAIL: _matches(_EMAIL),
    Rule.UF: _one_of(UFS),
    Rule.CEP: lambda column: column.str.contains("^[0-9]{5}-?[0-9]{3}$") & ~column.str.starts_with("00000"),
    Rule.PLATE: _matches("^[A-Z]{3}-?[0-9][0-9A-Z][0-9]{2}$"),  # ABC1234, and Mercosul's ABC1D23
    Rule.CHASSIS: _matches("^[A-HJ-NPR-Z0-9]{17}$"),  # ISO 3779: never I, O or Q
}
