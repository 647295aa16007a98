"""What any field of any layout can be filled with, and how a value is made to fit it.

What belongs here: type, width, domain and checks of a field, and nothing about what a name means (that is in
``meanings``). A new or renamed field is filled from here, so that a change of a layout does not break the sample.
"""

from __future__ import annotations

import numpy as np
import polars as pl

from atom_pipeline.layout.model import Field, FieldType, Rule, Severity
from atom_pipeline.sample.draws import Draws, Integers, Mask
from atom_pipeline.sample.loans import Loans, dates
from atom_pipeline.sample.people import CITIES, People, choose, digits

BLANK_SHARE = 0.12  # of the values of a field that may be blank
WRONG_DDD_SHARE = 0.004  # where a DDD that does not exist is kept and flagged
WRONG_DDDS = (10, 20, 23, 30, 52, 90)
WORDS = pl.Series(
    ["NORMAL", "PADRÃO", "CONCESSIONÁRIA", "REVENDA", "AGÊNCIA CENTRO", "BALCÃO", "INTERNET", "NÃO INFORMADO"]
)
LAST_PAST_DAYS = 4000


def fit(values: pl.Series, field: Field) -> pl.Series:
    """A column of natural values (text, whole numbers, reais, dates) in the field's type, no wider than the field."""
    if field.type is FieldType.DECIMAL:
        places = (field.width or 18) - (1 if field.decimal_mark else 0) - (1 if field.signed else 0)
        limit = 10.0 ** min(places - field.decimals - len(field.suffix), 15) - 1
        return (
            values.cast(pl.Float64)
            .clip(-limit if field.signed else 0.0, limit)
            .round(field.decimals)
            .cast(pl.Decimal(18, field.decimals))
        )
    if field.type is FieldType.INTEGER:
        limit_whole = 10 ** min((field.width or 18) - (1 if field.signed else 0), 18) - 1
        return values.cast(pl.Int64).clip(0, limit_whole)
    if field.type is FieldType.DATE:
        return values.cast(pl.Date)
    if field.type is FieldType.DATETIME:
        return values.cast(pl.Datetime("us"))
    if field.type is FieldType.TIME:
        return values.cast(pl.Time)
    text = values.cast(pl.String)
    if field.type is FieldType.DIGITS and field.zero_pad:
        text = text.str.zfill(field.zero_pad)
    return text.str.head(field.width).str.strip_chars() if field.width else text.str.strip_chars()


def blanked(values: pl.Series, where: Mask) -> pl.Series:
    """Null where the mask holds."""
    return values.zip_with(pl.Series(~where), pl.Series([None], dtype=values.dtype)) if where.any() else values


def generic(field: Field, people: People, loans: Loans, draws: Draws) -> pl.Series:
    """A valid column for a field that no meaning is known for, one value per row, some of them blank."""
    values = fit(_by_rule(field, people, loans) if field.checks else _by_type(field, loans, draws), field)
    if field.required:
        return values
    return blanked(values, draws.share(BLANK_SHARE, loans.index, "blank", field.name))


def from_domain(field: Field, index: Integers, draws: Draws) -> pl.Series:
    """Codes of the field's domain, the first ones more often."""
    codes = list(field.domain or {})
    weights = [1.0 / (1 + place) for place in range(len(codes))]
    return choose(pl.Series(codes, dtype=pl.String), draws.weighted(weights, index, "domain", field.name))


def _by_rule(field: Field, people: People, loans: Loans) -> pl.Series:
    makers = {
        Rule.CPF_CNPJ: lambda: people.relative(field.name).cpf,
        Rule.CPF: lambda: people.relative(field.name).cpf,
        Rule.CNPJ: lambda: people.cnpj,
        Rule.DDD: lambda: pl.Series(people.ddd(1)),
        Rule.PHONE: lambda: pl.Series(people.phone(1)),
        Rule.PHONE_WITH_DDD: lambda: people.phone_with_ddd(1),
        Rule.MOBILE_WITH_DDD: people.mobile_with_ddd,
        Rule.EMAIL: people.email,
        Rule.UF: lambda: choose(pl.Series([city[1] for city in CITIES]), people.city),
        Rule.CEP: people.cep,
        Rule.PLATE: loans.plate,
        Rule.CHASSIS: loans.chassis,
    }
    return makers[field.checks[0].rule]()


def _by_type(field: Field, loans: Loans, draws: Draws) -> pl.Series:
    index = loans.index
    if field.domain:
        return from_domain(field, index, draws)
    match field.type:
        case FieldType.TEXT:
            return choose(WORDS, draws.below(len(WORDS), index, field.name))
        case FieldType.DIGITS:
            width = min(field.zero_pad or field.width or 6, 15)
            return digits(draws.between(1, 10**width - 1, index, field.name), width)
        case FieldType.INTEGER | FieldType.DECIMAL:
            low, high = _range(field)
            return pl.Series(draws.between(low * 100, high * 100, index, field.name)) / 100
        case FieldType.DATE:
            past = draws.below(LAST_PAST_DAYS, index, field.name)
            return dates(loans.today - past)
        case FieldType.DATETIME | FieldType.TIME:
            seconds = (loans.today - 30) * 86_400 + draws.below(86_400, index, field.name)
            return pl.Series(seconds * 1_000_000, dtype=pl.Int64).cast(pl.Datetime("us"))


def _range(field: Field) -> tuple[int, int]:
    """Whole numbers inside the field's own range, or up to three digits that fit its width."""
    room = (field.width or 6) - field.decimals - len(field.suffix) - (2 if field.decimal_mark or field.signed else 0)
    low, high = 0, 10 ** max(min(room, 3), 1) - 1
    if field.minimum is not None and not hasattr(field.minimum, "year"):
        low = int(field.minimum) + (1 if field.minimum % 1 else 0)
        high = max(low, high)
    if field.maximum is not None and not hasattr(field.maximum, "year"):
        high = min(high, int(field.maximum))
    return low, high


def keeps_wrong_ddd(field: Field) -> bool:
    """Whether a DDD that does not exist is flagged, and its row kept."""
    return any(check.rule is Rule.DDD and check.severity is Severity.FLAG for check in field.checks)


def with_wrong_ddds(ddds: Integers, index: Integers, draws: Draws, what: str) -> Integers:
    """A few DDDs that do not exist among the others."""
    wrong = np.asarray(WRONG_DDDS, dtype=np.int64)[draws.below(len(WRONG_DDDS), index, "which wrong", what)]
    return np.where(draws.share(WRONG_DDD_SHARE, index, "wrong", what), wrong, ddds)
