"""What Manager has, what it should have, and the difference that a wave sends (DESIGN section 6). Pure: frames only.

What Manager has is the fold of the waves sent to it. Where waves are kept, and how they are sent, is in ``resources``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum

import polars as pl

from atom_pipeline.errors import ProgramError


class Operation(StrEnum):
    """What a row of a wave does to the contract at Manager."""

    CARGA = "CARGA"  # a row of a full load, whether Manager had it or not
    INCLUSAO = "INCLUSAO"
    ALTERACAO = "ALTERACAO"
    BAIXA = "BAIXA"
    MANTIDO = "MANTIDO"  # beside a carga: Manager keeps the contract, and no file of the wave speaks of it


# What Manager should have: one row per contract. `conteudo` is a hash of all that the mailing says of it.
DESIRED = pl.Schema({"contrato": pl.String, "id_crm": pl.String, "conteudo": pl.String})
# A wave's rows, one per contract it says something of.
ROWS = pl.Schema([*DESIRED.items(), ("operacao", pl.String())])
# What Manager has, with the wave that last said so: the lake's `manager_atual`.
HELD = pl.Schema([*DESIRED.items(), ("onda", pl.Int64()), ("dia", pl.Date())])


@dataclass(frozen=True)
class Difference:
    """``additions`` and ``changes`` are desired rows (DESIRED), ``removals`` held ones (HELD); sorted by contrato."""

    additions: pl.DataFrame
    changes: pl.DataFrame
    removals: pl.DataFrame


@dataclass(frozen=True)
class SentWave:
    """A wave as it was sent. ``resets`` when its CARGA rows are all that Manager has from then on."""

    day: date
    number: int
    resets: bool
    rows: pl.DataFrame


def difference(desired: pl.DataFrame, held: pl.DataFrame) -> Difference:
    """What must be added, changed and taken away so that Manager, which has ``held``, has ``desired``.

    A contract never sent gets no baixa, and one that returns after a baixa is an addition. Other columns of
    ``desired`` are ignored. Raises ProgramError when a contract stands twice or has no content hash.
    """
    wanted, known = _desired(desired), _held(held)
    return Difference(
        additions=wanted.join(known, on="contrato", how="anti").sort("contrato"),
        changes=wanted.join(known.select("contrato", antes="conteudo"), on="contrato")
        .filter(pl.col("conteudo") != pl.col("antes"))
        .drop("antes")
        .sort("contrato"),
        removals=_removals(wanted, known),
    )


def removals(desired: pl.DataFrame, held: pl.DataFrame) -> pl.DataFrame:
    """Of the difference the held rows (HELD) that must be taken away. Raises ProgramError as ``difference`` does."""
    return _removals(_desired(desired), _held(held))


def full_rows(desired: pl.DataFrame, held: pl.DataFrame, kept: Collection[str] = ()) -> pl.DataFrame:
    """The rows (ROWS) of a ``carga``: every desired contract, and a baixa for each that Manager has besides.

    Those of ``kept`` get no baixa. As a carga says all that Manager has from then on, it says that they stay.
    """
    wanted = _desired(desired)
    gone = _removals(wanted, _held(held))
    return _rows(
        (Operation.CARGA, wanted),
        (Operation.BAIXA, gone.filter(~_among(kept))),
        (Operation.MANTIDO, gone.filter(_among(kept))),
    )


def incremental_rows(desired: pl.DataFrame, held: pl.DataFrame, kept: Collection[str] = ()) -> pl.DataFrame:
    """The rows (ROWS) of an ``incremental``: additions, changes and baixas, but none of ``kept``."""
    found = difference(desired, held)
    return _rows(
        (Operation.INCLUSAO, found.additions),
        (Operation.ALTERACAO, found.changes),
        (Operation.BAIXA, found.removals.filter(~_among(kept))),
    )


def removal_rows(desired: pl.DataFrame, held: pl.DataFrame, kept: Collection[str] = ()) -> pl.DataFrame:
    """The rows (ROWS) of a wave that only takes away, but none of ``kept``."""
    return _rows((Operation.BAIXA, removals(desired, held).filter(~_among(kept))))


def spoken_of(rows: pl.DataFrame) -> pl.DataFrame:
    """Of a wave's rows those that its files hold."""
    return rows.filter(pl.col("operacao") != Operation.MANTIDO.value)


def fold(waves: Iterable[SentWave]) -> pl.DataFrame:
    """What Manager has (HELD, sorted by contrato) after these waves, oldest first. Without waves: nothing."""
    state = HELD.to_frame()
    for wave in waves:
        rows = _one_per_contract(wave.rows, ROWS, f"wave {wave.day:%Y-%m-%d}/{wave.number:02d}")
        said = (
            rows.filter(pl.col("operacao") != Operation.BAIXA.value)
            .with_columns(onda=pl.lit(wave.number, pl.Int64), dia=pl.lit(wave.day, pl.Date))
            .select(HELD.names())
        )
        kept = HELD.to_frame() if wave.resets else state.join(rows, on="contrato", how="anti")
        state = pl.concat([kept, said])
    return state.sort("contrato")


def _among(contratos: Collection[str]) -> pl.Expr:
    return pl.col("contrato").is_in(pl.Series(list(contratos), dtype=pl.String).implode())


def _rows(*parts: tuple[Operation, pl.DataFrame]) -> pl.DataFrame:
    return pl.concat(
        [frame.select(DESIRED.names()).with_columns(operacao=pl.lit(operation.value)) for operation, frame in parts]
    ).sort("contrato")


def _removals(wanted: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    return known.join(wanted, on="contrato", how="anti").sort("contrato")


def _desired(rows: pl.DataFrame) -> pl.DataFrame:
    return _one_per_contract(rows, DESIRED, "desired")


def _held(rows: pl.DataFrame) -> pl.DataFrame:
    return _one_per_contract(rows, HELD, "held")


def _one_per_contract(frame: pl.DataFrame, schema: pl.Schema, what: str) -> pl.DataFrame:
    missing = [name for name in schema.names() if name not in frame.columns]
    if missing:
        raise ProgramError(f"{what}: no column {', '.join(missing)}")
    rows = frame.select(schema.names()).cast(schema)
    if rows["contrato"].n_unique() < rows.height:
        raise ProgramError(f"{what}: a contract stands twice")
    if rows["contrato"].null_count() or rows["conteudo"].null_count():
        raise ProgramError(f"{what}: a row without contrato or conteudo")
    return rows
