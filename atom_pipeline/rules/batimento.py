"""Batimento: the bank's list of all that may be worked today closes what is not in it (UC007, R016, R021, R022).

What belongs here: the candidate, that is what the file would close. What does not: whether it may (``guards``: a file
cut in half must not empty the base), and what it waits for before it runs at all (the day's plan).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

import polars as pl

from atom_pipeline.calendar import block_window
from atom_pipeline.portfolio import Portfolio
from atom_pipeline.rules.exclusao import close
from atom_pipeline.rules.received import Received, rows_of
from atom_pipeline.rules.state import Ignorada, Motivo, Movimento, Schema, Situacao, Step, set_aside

FIELDS: Schema = {"contrato": pl.String, "carteira": pl.String, "cod_assessoria": pl.String}


def compared_rows(received: Received, portfolio: Portfolio) -> pl.DataFrame:
    """The rows of the batimento with ``desta_carteira``: whether they are this portfolio's (R016).

    Columns: contrato, carteira, cod_assessoria, layout, arquivo, linha, carimbo, ordem, desta_carteira.
    """
    rows = rows_of(received, portfolio, FIELDS)
    ours = pl.lit(True)
    for column, wanted in (
        ("carteira", portfolio.batimento.carteiras),
        ("cod_assessoria", portfolio.batimento.cod_assessoria),
    ):
        if wanted:
            # A row that does not say whose it is counts as ours: to close a contract it must be listed by another.
            ours = ours & _code_is_among(column, wanted).fill_null(True)
    return rows.with_columns(desta_carteira=ours)


def apply_batimento(contratos: pl.DataFrame, received: Received, *, day: date, portfolio: Portfolio) -> Step:
    """What a day's batimento would close: open contracts of the base that it does not list become BAIXADO.

    A contract in stand-by, day 0 included, is left alone; a contract that is listed is never an alta; rows of another
    CARTEIRA or COD_ASSESSORIA count as not listed and are set aside, as are contracts the base does not know. Changes
    `contratos`. The movimentos name the file and no line: what closes a contract is that it is in none.
    """
    rows = compared_rows(received, portfolio)
    listed = rows.filter("desta_carteira")
    standing_by = (
        (pl.col("situacao") == Situacao.BLOQUEIO_PARCIAL.value)
        & pl.col("bloqueado_em").is_between(block_window(day, portfolio.block), day)
    ).fill_null(False)
    open_now = pl.col("situacao").is_in([Situacao.ATIVO.value, Situacao.BLOQUEIO_PARCIAL.value])
    closed = (
        contratos.select("contrato", "situacao", "bloqueado_em")
        .filter(open_now & ~standing_by)
        .join(listed, on="contrato", how="anti")
        .sort("contrato")
    )
    file = rows["arquivo"].sort().last() if rows.height else None
    strangers = listed.join(contratos.select("contrato"), on="contrato", how="anti", maintain_order="left")
    return Step(
        tables={
            "contratos": close(contratos, closed["contrato"], Situacao.BAIXADO, Motivo.BATIMENTO, day),
        },
        before={"contratos": contratos},
        movimentos=closed.select(
            pl.lit(day, pl.Date).alias("dia"),
            "contrato",
            pl.lit(Movimento.BAIXA_BATIMENTO.value).alias("movimento"),
            pl.col("situacao").alias("situacao_antes"),
            pl.lit(Situacao.BAIXADO.value).alias("situacao_depois"),
            pl.lit(file, pl.String).alias("arquivo"),
            pl.lit(None, pl.UInt32).alias("linha"),
            pl.lit(None, pl.String).alias("detalhe"),
        ),
        ignoradas=pl.concat(
            [
                set_aside(rows.filter(~pl.col("desta_carteira")), day, Ignorada.OUTRA_CARTEIRA, _whose()),
                set_aside(strangers, day, Ignorada.CONTRATO_FORA_DA_BASE),
            ]
        ),
    )


def _whose() -> pl.Expr:
    return pl.format(
        "carteira {}, assessoria {}", pl.col("carteira").fill_null("vazia"), pl.col("cod_assessoria").fill_null("vazia")
    )


def _code_is_among(column: str, codes: Iterable[str]) -> pl.Expr:
    """Whether a code is one of these, whatever its capitals, the blanks around it and its zeros on the left.

    A spreadsheet eats those zeros. Null where the row has no code.
    """
    wanted = [code.strip().upper().lstrip("0") for code in codes]
    return pl.col(column).str.strip_chars().str.to_uppercase().str.strip_chars_start("0").is_in(wanted)
