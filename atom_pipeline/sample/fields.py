"""A chunk of rows as a frame of a record's fields: which meaning, group or generic filling each field gets.

What belongs here: finding what a field is filled with. What names mean is in ``client`` and ``contract``, what types
need in ``values``. A layout's field that nobody foresaw is filled all the same.
"""

from __future__ import annotations

import re

import numpy as np
import polars as pl

from atom_pipeline.layout.model import Field, Record
from atom_pipeline.sample.client import CLIENT, IN_GROUPS
from atom_pipeline.sample.column import Column, Maker
from atom_pipeline.sample.contract import CONTRACT
from atom_pipeline.sample.draws import Mask
from atom_pipeline.sample.rowset import Rowset
from atom_pipeline.sample.values import blanked, fit, from_domain, generic

MEANINGS: dict[str, Maker] = {**CLIENT, **CONTRACT}
NUMBERED = re.compile(r"^(?P<group>[a-z_]+?)_(?P<place>\d+)_(?P<name>[a-z0-9_]+)$")
# people around the client; with a number when there may be several
RELATIVE = re.compile(r"^(?P<who>conjuge|(?:avalista|referencia|fiador)(?:_\d+)?)_(?P<name>[a-z0-9_]+)$")
# facts that few contracts have
SPARSE = re.compile(
    r"ajuizamento|processo|comarca|data_protesto|data_prejuizo|custas|ultimo_acordo|contrato_anterior|_debito$|inscricao_estadual"
    r"|nome_social|resultado_ultimo_contato|observacao|data_prevista"
)
SPARSE_SHARE = 0.1
UNUSED = "reservado"
NO_PHONE_SHARE = 0.015
PHONES = [25.0, 30.0, 20.0, 10.0, 6.0, 4.0, 3.0, 1.0, 0.6, 0.4]  # how many contracts have 1, 2, ... phones


def frame(record: Record, rows: Rowset) -> pl.DataFrame:
    """A frame of the record's fields, typed as the layout says; what writes itself is left to the writer."""
    absent: dict[str, Mask] = {}
    columns: list[pl.Series] = []
    for field in record.fields:
        if field.name in record.self_written:
            continue
        columns.append(_column(field, record, rows, absent).alias(field.name))
    return pl.DataFrame(columns)


def _column(field: Field, record: Record, rows: Rowset, absent: dict[str, Mask]) -> pl.Series:
    if field.name in rows.given:
        return _coded(rows.given[field.name], field, rows)
    if field.name == UNUSED and not field.required:
        return fit(pl.Series([None] * len(rows), dtype=pl.String), field)
    name, place, instance = field.name, 1, ""
    numbered = NUMBERED.match(name)
    if numbered and numbered["group"] in record.groups:
        group, place, name = numbered["group"], int(numbered["place"]), numbered["name"]
        instance = f"{group}_{place}"
        maker = IN_GROUPS.get((group, name))
    else:
        maker = None
    relative = RELATIVE.match(field.name)
    if relative:
        instance, name = relative["who"], relative["name"]
        rows, place = rows.about(rows.people.relative(instance)), 1
    maker = maker or MEANINGS.get(name)
    values = (
        _coded(maker(Column(rows, field, place)), field, rows)
        if maker
        else generic(field, rows.people, rows.loans, rows.draws)
    )
    if instance and not field.required:
        if instance not in absent:
            absent[instance] = lacks(instance, place, rows)
        return blanked(values, absent[instance])
    if not field.required and SPARSE.search(field.name):
        return blanked(values, ~rows.draws.share(SPARSE_SHARE, rows.contracts, "sparse", field.name))
    return values


def _coded(values: pl.Series, field: Field, rows: Rowset) -> pl.Series:
    """Values as the field holds them; where it has a domain, a value becomes its code, or else some code."""
    if not field.domain:
        return fit(values, field)
    codes = {code.upper(): code for code in field.domain} | {
        meaning.upper(): code for code, meaning in field.domain.items()
    }
    known = values.cast(pl.String).str.to_uppercase().replace_strict(codes, default=None, return_dtype=pl.String)
    return fit(known.zip_with(known.is_not_null(), from_domain(field, rows.contracts, rows.draws)), field)


def lacks(instance: str, place: int, rows: Rowset) -> Mask:
    """Whether a row lacks that phone, address, e-mail or person (``avalista_1``)."""
    draws, contracts = rows.draws, rows.contracts
    if instance.startswith("telefone_"):
        count = 1 + draws.weighted(PHONES, contracts, "phones")
        count = np.where(draws.share(NO_PHONE_SHARE, contracts, "no phone"), 0, count)
        return place > count
    if instance.startswith("endereco_"):
        return ~draws.share(1.0 if place == 1 else 0.35 / place, contracts, "address", place)
    share = 0.6 if instance.startswith(("email_1", "referencia_1")) else 0.3
    return ~draws.share(share / place, contracts, "present", instance)
