"""Exclusão e retirada: the bank takes a contract back (UC005, R011).

What belongs here: what a row of the exclusão does to `contratos`. What does not: whether a file that retires too much
of the base is let through (``guards``), and Manager's baixa, which follows from the base.
"""

from __future__ import annotations

from datetime import date

import polars as pl

from atom_pipeline.portfolio import Portfolio
from atom_pipeline.rules.received import Received, rows_of
from atom_pipeline.rules.state import Ignorada, Motivo, Movimento, Situacao, Step, set_aside


def apply_exclusao(contratos: pl.DataFrame, received: Received, *, day: date, portfolio: Portfolio) -> Step:
    """Apply a day's exclusão: any contract of the base becomes RETIRADO; one that already is stays without a word.

    ``bloqueado_em`` stays, so a retired contract that returns inside its block's window is still ignored. Of several
    rows of one contract the oldest is the one named. Changes `contratos`.
    """
    rows = rows_of(received, portfolio, {"contrato": pl.String})
    base = contratos.select("contrato", "situacao")
    known = rows.unique("contrato", keep="first", maintain_order=True).join(
        base, on="contrato", how="inner", maintain_order="left"
    )
    retired = known.filter(pl.col("situacao") != Situacao.RETIRADO.value).sort("contrato")
    strangers = rows.join(base, on="contrato", how="anti", maintain_order="left")
    return Step(
        tables={
            "contratos": close(contratos, retired["contrato"], Situacao.RETIRADO, Motivo.RETIRADA, day),
        },
        before={"contratos": contratos},
        movimentos=retired.select(
            pl.lit(day, pl.Date).alias("dia"),
            "contrato",
            pl.lit(Movimento.RETIRADA.value).alias("movimento"),
            pl.col("situacao").alias("situacao_antes"),
            pl.lit(Situacao.RETIRADO.value).alias("situacao_depois"),
            "arquivo",
            "linha",
            pl.lit(None, pl.String).alias("detalhe"),
        ),
        ignoradas=set_aside(strangers, day, Ignorada.CONTRATO_FORA_DA_BASE),
    )


def close(contratos: pl.DataFrame, which: pl.Series, situacao: Situacao, motivo: Motivo, day: date) -> pl.DataFrame:
    """`contratos`, sorted, with some of them in another situacao since ``day``."""
    hit = pl.col("contrato").is_in(which.implode())
    return contratos.with_columns(
        situacao=pl.when(hit).then(pl.lit(situacao.value)).otherwise("situacao"),
        situacao_desde=pl.when(hit).then(pl.lit(day, pl.Date)).otherwise("situacao_desde"),
        motivo=pl.when(hit).then(pl.lit(motivo.value)).otherwise("motivo"),
    ).sort("contrato")
