"""Settled acordos: the contract goes into stand-by (UC004, R010, R015, R017, R019).

What belongs here: telling a new acordo from one of a standing list, and the block it causes. What does not: how long
the block lasts (``calendar``), and whether a step that blocks too many contracts is let through (``guards``).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

import polars as pl

from atom_pipeline.portfolio import Block, BlockBy, Portfolio
from atom_pipeline.rules.received import Received, rows_of
from atom_pipeline.rules.state import (
    MONEY,
    OPEN,
    TABLES,
    Ignorada,
    Motivo,
    Movimento,
    Schema,
    Situacao,
    Step,
    set_aside,
)

KEY = ("contrato", "numero_acordo", "parcela")
FIELDS: Schema = {
    "contrato": pl.String,
    "numero_acordo": pl.String,
    "parcela": pl.String,
    "motivo": pl.String,
    "data_movimento": pl.Date,
    "valor": MONEY,
}
UNKNOWN_MOTIVE = "MOTIVO_DESCONHECIDO"


def apply_acordos(
    contratos: pl.DataFrame, acordos: pl.DataFrame, received: Received, *, day: date, portfolio: Portfolio
) -> Step:
    """Apply a day's acordos, of one or several layouts: BLOQUEIO of an open contract, else ACORDO_REGISTRADO.

    An acordo is (contrato, numero_acordo, parcela) and acts once: one that stands in ``acordos`` since an earlier day
    does nothing, so a standing list does not block again. Motives of ``block.motives_without_block`` are recorded and
    set aside, and do not count as seen when the same acordo comes again with another motive; a motive that is in
    neither list blocks and is flagged. With ``block.by: cliente`` every contract of the client has the event.

    Changes `contratos` and `acordos`. ``situacao_desde`` moves only when the situacao does; ``numero_acordo`` is
    that of the newest acordo of the contract. One movimento per acordo and contract it acts on, oldest row first.
    """
    rows = _rows(received, portfolio)
    known = rows.join(contratos.select("contrato"), on="contrato", how="semi", maintain_order="left")
    strangers = rows.join(contratos.select("contrato"), on="contrato", how="anti", maintain_order="left")
    new = _never_seen(known, acordos, day)
    harmless = new.filter(~pl.col("bloqueia"))
    events = _events(new.filter("bloqueia"), contratos, portfolio.block.by)
    return Step(
        tables={
            "contratos": _new_contratos(contratos, events, day),
            "acordos": _new_acordos(acordos, new, day),
        },
        before={"contratos": contratos, "acordos": acordos},
        movimentos=_movimentos(events, day),
        ignoradas=pl.concat(
            [
                set_aside(strangers, day, Ignorada.CONTRATO_FORA_DA_BASE),
                set_aside(harmless, day, Ignorada.MOTIVO_NAO_BLOQUEIA, pl.format("motivo {}", "motivo")),
            ]
        ),
        sinalizadas=_flagged(new.filter("bloqueia"), portfolio.block, day),
    )


def _rows(received: Received, portfolio: Portfolio) -> pl.DataFrame:
    """The rows of every layout, oldest first, with ``bloqueia``. Layouts of one portfolio pad their numbers alike."""
    harmless = _motive_is_among(portfolio.block.motives_without_block)
    return rows_of(received, portfolio, FIELDS).with_columns(bloqueia=~harmless)


def _motive_is_among(motives: Iterable[str]) -> pl.Expr:
    """Whether a row's motive is one of these, whatever its capitals and the blanks around it; false without one."""
    wanted = [motive.strip().upper() for motive in motives]
    return pl.col("motivo").str.strip_chars().str.to_uppercase().is_in(wanted).fill_null(False)


def _never_seen(rows: pl.DataFrame, acordos: pl.DataFrame, day: date) -> pl.DataFrame:
    """The first row of each acordo, blocking or not, that no earlier day has."""
    seen = acordos.filter(pl.col("primeiro_dia") < day).select(*KEY, "bloqueia")
    return rows.unique([*KEY, "bloqueia"], keep="first", maintain_order=True).join(
        seen, on=[*KEY, "bloqueia"], how="anti", nulls_equal=True, maintain_order="left"
    )


def _events(new: pl.DataFrame, contratos: pl.DataFrame, by: BlockBy) -> pl.DataFrame:
    """One row per acordo and contract it acts on, by contract, oldest row first.

    Columns: contrato, proprio (Boolean), numero_acordo, parcela, arquivo, linha, situacao (before the first event).
    """
    base = contratos.select("contrato", "id_crm", "situacao")
    wanted = new.with_row_index("chegada").select("contrato", "chegada", *KEY[1:], "arquivo", "linha")
    if by is BlockBy.CONTRATO:
        events = wanted.with_columns(proprio=pl.lit(True)).join(base, on="contrato", how="left")
    else:
        # a contract without client stands for itself
        client = pl.coalesce("id_crm", "contrato").alias("cliente")
        origin = wanted.rename({"contrato": "contrato_do_acordo"}).join(
            base.select(pl.col("contrato").alias("contrato_do_acordo"), client), on="contrato_do_acordo", how="left"
        )
        events = origin.join(base.with_columns(client), on="cliente", how="left").with_columns(
            proprio=pl.col("contrato") == pl.col("contrato_do_acordo")
        )
    return events.sort("contrato", "chegada")


def _is_open(column: str = "situacao") -> pl.Expr:
    return pl.col(column).is_in(OPEN)


def _new_contratos(contratos: pl.DataFrame, events: pl.DataFrame, day: date) -> pl.DataFrame:
    blocked = events.group_by("contrato", maintain_order=True).agg(
        pl.col("numero_acordo").last().alias("acordo_novo"), pl.col("proprio").any()
    )
    hit, opened, today = pl.col("proprio").is_not_null(), _is_open(), pl.lit(day, pl.Date)
    stands_by = pl.lit(Situacao.BLOQUEIO_PARCIAL.value)
    reason = pl.when("proprio").then(pl.lit(Motivo.ACORDO.value)).otherwise(pl.lit(Motivo.ACORDO_DO_CLIENTE.value))
    return (
        contratos.join(blocked, on="contrato", how="left", maintain_order="left")
        .with_columns(
            situacao=pl.when(hit & opened).then(stands_by).otherwise("situacao"),
            situacao_desde=pl.when(hit & opened & (pl.col("situacao") != stands_by))
            .then(today)
            .otherwise("situacao_desde"),
            motivo=pl.when(hit & opened).then(reason).otherwise("motivo"),
            bloqueado_em=pl.when(hit).then(today).otherwise("bloqueado_em"),
            numero_acordo=pl.when(hit).then("acordo_novo").otherwise("numero_acordo"),
        )
        .drop("acordo_novo", "proprio")
        .sort("contrato")
    )


def _new_acordos(acordos: pl.DataFrame, new: pl.DataFrame, day: date) -> pl.DataFrame:
    kept = acordos.filter(pl.col("primeiro_dia") < day).select(list(TABLES["acordos"]))
    rows = new.with_columns(primeiro_dia=pl.lit(day, pl.Date)).select(list(TABLES["acordos"]))
    return pl.concat([kept, rows]).sort(*KEY, "bloqueia", "primeiro_dia")


def _movimentos(events: pl.DataFrame, day: date) -> pl.DataFrame:
    first = pl.int_range(pl.len()).over("contrato") == 0
    after = pl.when(_is_open()).then(pl.lit(Situacao.BLOQUEIO_PARCIAL.value)).otherwise("situacao")
    kind = pl.when(_is_open()).then(pl.lit(Movimento.BLOQUEIO.value))
    return events.select(
        pl.lit(day, pl.Date).alias("dia"),
        "contrato",
        kind.otherwise(pl.lit(Movimento.ACORDO_REGISTRADO.value)).alias("movimento"),
        pl.when(first).then("situacao").otherwise(after).alias("situacao_antes"),
        after.alias("situacao_depois"),
        "arquivo",
        "linha",
        pl.concat_str(
            pl.format("acordo {}", pl.col("numero_acordo").fill_null("sem número")),
            pl.format(", parcela {}", "parcela"),
            pl.when(~pl.col("proprio")).then(pl.lit(", em outro contrato do cliente")),
            ignore_nulls=True,
        ).alias("detalhe"),
    )


def _flagged(blocking: pl.DataFrame, block: Block, day: date) -> pl.DataFrame:
    """Acordos that block for a motive the portfolio does not know; nothing when it lists none."""
    unknown = blocking.filter(~_motive_is_among(block.motives_known))
    return (unknown if block.motives_known else unknown.clear()).select(
        pl.lit(day, pl.Date).alias("dia"),
        "layout",
        "arquivo",
        "linha",
        pl.lit("motivo").alias("campo"),
        pl.lit(UNKNOWN_MOTIVE).alias("motivo"),
    )
