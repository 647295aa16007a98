"""CPF and CNPJ in one form, whatever a file made of them: 11 digits or 14 characters, nothing else.

Punctuation is taken out, zeros that a spreadsheet lost are put back, zeros that only pad a CPF to a CNPJ's width are
taken away, and a document of zeros is none. Whether the result is valid is for ``checks``. Only the values that are not
in their form already are looked at closely: nearly all are.
"""

from __future__ import annotations

from functools import lru_cache

import polars as pl

from atom_pipeline.layout.checks import rule_expression
from atom_pipeline.layout.model import Field, Rule

DOCUMENT_RULES = frozenset({Rule.CPF_CNPJ, Rule.CPF, Rule.CNPJ})
_VALUE, _PERSON = pl.col("value"), pl.col("person")


def document_rule(field: Field) -> Rule | None:
    """The document that a field holds, or None."""
    return next((check.rule for check in field.checks if check.rule in DOCUMENT_RULES), None)


def person(column: pl.Expr) -> pl.Expr:
    """F or J (or another first letter) of a column that says whose document it is."""
    return column.str.strip_chars(" ").str.slice(0, 1).str.to_uppercase()


def canonical_documents(values: pl.Series, rule: Rule, persons: pl.Series | None) -> pl.Series:
    """Documents in their form; null where there is none. ``values`` are texts without blanks around them.

    ``persons`` says F or J per row. Read as F, fourteen digits that start with 000 are a CPF; read as J they are a CNPJ
    (000000001-91 is valid as both). Where it is not said they are a CPF if that is valid and the CNPJ is not.
    """
    frame = pl.DataFrame({"value": values, "person": persons if persons is not None else [None] * len(values)})
    frame = frame.with_columns(_PERSON.cast(pl.String))
    length = _VALUE.str.len_bytes()
    usual = {Rule.CPF: length == 11, Rule.CNPJ: length == 14}.get(rule, (length == 11) | (length == 14))
    odd = ~usual | _VALUE.str.starts_with("000") | _VALUE.str.contains("[^0-9A-Z]")
    odd = odd | ((_PERSON == "J") & (length == 11)).fill_null(False)
    rows = frame.select(odd.fill_null(False)).to_series().arg_true()
    if not len(rows):
        return values
    mended = _mended(frame[rows], rule)
    return values.scatter(rows, mended.to_series())


def _mended(frame: pl.DataFrame, rule: Rule) -> pl.DataFrame:
    """The canonical form of values that are not in it yet. Each step is a frame, so that nothing is evaluated twice."""
    frame = frame.with_columns(_VALUE.str.replace_all(r"[.\-/ ]", "").str.to_uppercase())
    digits, length = pl.col("digits"), _VALUE.str.len_bytes()
    frame = frame.with_columns(digits=~_VALUE.str.contains("[^0-9]") & (length > 0))
    frame = frame.with_columns(pl.when(~digits | (_VALUE.str.strip_chars("0") != "")).then(_VALUE).alias("value"))
    if rule is Rule.CPF_CNPJ:
        longer = pl.when(_PERSON == "J").then(True).otherwise(length > 11)
        width = pl.when(longer).then(14).otherwise(11)
        padded = pl.when(width == 14).then(_VALUE.str.pad_start(14, "0")).otherwise(_VALUE.str.pad_start(11, "0"))
        frame = frame.with_columns(pl.when(digits).then(padded).otherwise(_VALUE).alias("value"))
        frame = frame.with_columns(cpf=_VALUE.str.slice(3))
        told = frame.select((_PERSON == "F") | (_PERSON == "J")).to_series().fill_null(False).all()
        untold = pl.lit(False) if told else _only_a_cpf()
        as_cpf = pl.when(_PERSON == "F").then(True).when(_PERSON == "J").then(False).otherwise(untold)
        is_cpf = digits & (length == 14) & _VALUE.str.starts_with("000") & as_cpf
        return frame.select(pl.when(is_cpf).then(pl.col("cpf")).otherwise(_VALUE).alias("value"))
    size = 11 if rule is Rule.CPF else 14
    frame = frame.with_columns(short=_VALUE.str.strip_chars_start("0"))
    fits = digits & (pl.col("short").str.len_bytes() <= size)
    padded = pl.col("short").str.pad_start(size, "0")
    return frame.select(pl.when(fits).then(padded).otherwise(_VALUE).alias("value"))


@lru_cache
def _only_a_cpf() -> pl.Expr:
    """Valid as a CPF and not as a CNPJ; made once, since an expression of that size takes a millisecond."""
    return rule_expression(Rule.CPF, pl.col("cpf")) & ~rule_expression(Rule.CNPJ, _VALUE)
