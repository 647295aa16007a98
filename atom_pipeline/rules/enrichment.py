"""What enriches contracts of the base: parcelas, garantias, refin and addresses (UC002, R026 to R029).

What belongs here: each table's update by the rows received on a day, and the rows set aside because their contract is
not in the base (FA006). What does not: phones, which have rules of their own (``telefones``), and situations of
contracts: no enrichment changes one.

A received frame is the layout's rows of the day after its merge policy; None means that no file came, and the table
stays as it was. "In the base" is any contract of ``contratos``, whatever its situation. ``digits`` is the portfolio's
``contrato_digits``: a number finds its contract however many zeros its layout left on it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date

import polars as pl

from atom_pipeline.rules.groups import place_within, unfold
from atom_pipeline.rules.merge import NEWEST_LAST
from atom_pipeline.rules.picking import rows_with, rows_without
from atom_pipeline.rules.received import canonical_rows
from atom_pipeline.rules.state import ACCEPTED, Ignorada, Rows, Step, empty, in_kind, in_memory, schema, set_aside

ENDERECO = {
    "tipo": pl.String(),
    "logradouro": pl.String(),
    "numero": pl.String(),
    "complemento": pl.String(),
    "bairro": pl.String(),
    "cidade": pl.String(),
    "uf": pl.String(),
    "cep": pl.String(),
}


_NONE = empty("ignoradas")


def apply_parcelas(
    previous: Rows,
    contratos: pl.DataFrame,
    received: Rows | None,
    *,
    day: date,
    layout_name: str,
    digits: int | None = None,
) -> Step:
    """``parcelas_abertas``: a contract's newest set replaces its old one whole; others keep theirs.

    One row per open instalment: the layout's fields, ``arquivo``, ``linha`` and ``dia`` (the day of the set), sorted by
    ``dia``, file and line.
    """
    return _replace_sets("parcelas_abertas", previous, contratos, received, day, layout_name, digits)


def apply_garantias(
    previous: Rows,
    contratos: pl.DataFrame,
    received: Rows | None,
    *,
    day: date,
    layout_name: str,
    digits: int | None = None,
) -> Step:
    """``garantias``: as parcelas, all record types of a contract together, each row with its ``registro``."""
    return _replace_sets("garantias", previous, contratos, received, day, layout_name, digits)


def apply_refin(
    previous: Rows,
    contratos: pl.DataFrame,
    received: Rows | None,
    *,
    day: date,
    layout_name: str,
    digits: int | None = None,
) -> Step:
    """``refin_vigente``: the newest row of a contract replaces its old one whole, blanks too (FA007, R029).

    One row per contract: the layout's fields, ``arquivo``, ``linha`` and ``dia``. A contract that leaves keeps its row.
    """
    if received is not None:
        received = canonical_rows(in_memory(received), digits).sort(*NEWEST_LAST, nulls_last=False)
        received = received.unique("contrato", keep="last", maintain_order=True)
    return _replace_sets("refin_vigente", previous, contratos, received, day, layout_name, digits)


def enderecos(cadastro: Rows, types: Mapping[str, str] | None = None) -> pl.DataFrame:
    """``enderecos``: one row per address of each contract's last accepted remessa row, ``ordem`` from 1 as they stand.

    ``types`` gives the meaning of the type's codes; a code without one stays. A place without street, city and CEP is
    no address.
    """
    places = unfold(cadastro, "endereco", ENDERECO, ["contrato"])
    filled = pl.any_horizontal(pl.col("logradouro", "cidade", "cep").is_not_null())
    return (
        places.filter(filled)
        .sort("contrato", "lugar")
        .select(
            "contrato",
            place_within("contrato").alias("ordem"),
            pl.col("tipo").replace(dict(types or {})),
            *(member for member in ENDERECO if member != "tipo"),
        )
    )


def outside_the_base(received: Rows, contratos: pl.DataFrame, *, day: date, layout_name: str) -> pl.DataFrame:
    """The rows whose contract, in canonical form, is not in the base, as lines of ``ignoradas`` (FA006)."""
    rows = received.lazy().select("contrato", "arquivo", "linha")
    strangers = rows.join(contratos.lazy().select("contrato"), on="contrato", how="anti").collect()
    return set_aside(strangers.with_columns(layout=pl.lit(layout_name)), day, Ignorada.CONTRATO_FORA_DA_BASE)


def _replace_sets(
    table: str,
    previous: Rows,
    contratos: pl.DataFrame,
    received: Rows | None,
    day: date,
    layout_name: str,
    digits: int | None,
) -> Step:
    """Every contract with a row received has the received rows and no others.

    The rows received come after those that stay, in the order of files and lines, which those of a plan have already:
    of twelve million rows none are sorted.
    """
    before = {table: previous}
    if received is None:
        return Step({table: previous}, before)
    if isinstance(received, pl.DataFrame):
        received = received.sort(*NEWEST_LAST, nulls_last=False)
    rows = received.lazy()
    came = rows.select(pl.col("contrato").unique(maintain_order=True)).collect(engine="streaming")
    if not came.equals(canonical := canonical_rows(came, digits)):
        rows, came = canonical_rows(rows, digits), canonical.unique()
    strangers = came.join(contratos, on="contrato", how="anti")["contrato"]
    has = came.filter(pl.col("contrato").is_not_null()).join(contratos, on="contrato", how="semi")
    known = rows_without(rows, strangers).filter(pl.col("contrato").is_not_null()) if strangers.len() else rows
    dropped = [column for column in ACCEPTED | {"registro": pl.String} if column not in schema(table)]
    after = known.drop(dropped, strict=False).with_columns(pl.lit(day, pl.Date).alias("dia"))
    there = previous.collect_schema()
    if "contrato" in there:
        known_before = previous.lazy().select(pl.col("contrato").unique()).collect(engine="streaming")
        kept = rows_with(previous.lazy(), known_before.join(has, on="contrato", how="anti")["contrato"])
        columns = list(dict.fromkeys([*after.collect_schema(), *there]))
        after = pl.concat([kept, after], how="diagonal_relaxed").select(columns)
    ignoradas = outside_the_base(rows, contratos, day=day, layout_name=layout_name) if strangers.len() else _NONE
    return Step({table: in_kind(after, previous)}, before, ignoradas=ignoradas.sort("arquivo", "linha"))
