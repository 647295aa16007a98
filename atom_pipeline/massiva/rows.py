"""Which rows of the massive files are messages, and which are not and why (R031, R032, UC013, UC014).

What a row alone shows (a field missing, an unknown jornada, no Brazilian mobile) its layout refused already. Here is
what only the base and the other rows of the day know: the contract is in the base and ATIVO, and a number takes a
template once a day. The same function judges the rows when the day is closed, for the error file, and again when they
are sent, on the newest base: nobody who has paid since is written to.
"""

from __future__ import annotations

from datetime import date
from hashlib import blake2b

import polars as pl

from atom_pipeline.identity import canonical_contrato
from atom_pipeline.massiva.hours import UF_OF_DDD
from atom_pipeline.portfolio import Portfolio
from atom_pipeline.rules.merge import ARRIVAL
from atom_pipeline.rules.received import Received
from atom_pipeline.rules.state import ROW_ORIGIN, Ignorada, Schema, Situacao, ignoradas_of_day, in_memory, set_aside

FIELDS: Schema = {"contrato": pl.String, "numero": pl.String, "nome": pl.String, "jornada": pl.String}
# A row of the day's files as it may become a message. ``motivo`` says why it does not; null when it may. ``ufs`` are
# the states whose hours it keeps to, joined by "|".
PEDIDOS: Schema = {
    "chave": pl.String,
    "layout": pl.String,
    **ROW_ORIGIN,
    **FIELDS,
    "numero_hash": pl.String,
    "template": pl.Int64,
    "ufs": pl.String,
    "motivo": pl.String,
    "detalhe": pl.String,
}
# What was sent, or tried, already: the messages on the record.
KNOWN: Schema = {"chave": pl.String, "numero_hash": pl.String, "template": pl.Int64}


def pedidos(
    received: Received,
    contratos: pl.DataFrame,
    enderecos: pl.DataFrame,
    *,
    portfolio: Portfolio,
    known: pl.DataFrame | None = None,
) -> pl.DataFrame:
    """Every row of the day's massive files, judged (PEDIDOS), in the order in which they are sent: as they arrived.

    ``received`` are the accepted rows by layout; ``contratos`` and ``enderecos`` those of the base they are judged on;
    ``known`` the day's messages on the record (KNOWN). A row that is on the record is not judged again as repeated: it
    is that message.
    """
    templates = dict(portfolio.massivas.templates) if portfolio.massivas else {}
    rows = _rows(received, portfolio)
    rows = rows.with_columns(
        _hashes(rows, "chave", portfolio.portfolio, ("arquivo", "contrato", "numero", "jornada")),
        _hashes(rows, "numero_hash", portfolio.portfolio, ("numero",)),
        pl.col("jornada").replace_strict(templates, default=None, return_dtype=pl.Int64).alias("template"),
    )
    state = contratos.select("contrato", "situacao")
    homes = enderecos.filter(pl.col("uf").is_not_null()).sort("contrato", "ordem")
    homes = homes.unique("contrato", keep="first", maintain_order=True).select("contrato", casa="uf")
    rows = rows.join(state, on="contrato", how="left", maintain_order="left")
    rows = rows.join(homes, on="contrato", how="left", maintain_order="left")
    ddd = pl.col("numero").str.slice(0, 2).replace_strict(UF_OF_DDD, default=None, return_dtype=pl.String)
    rows = rows.with_columns(
        motivo=pl.when(pl.col("situacao").is_null())
        .then(pl.lit(Ignorada.CONTRATO_FORA_DA_BASE.value))
        .when(pl.col("situacao") != Situacao.ATIVO.value)
        .then(pl.lit(Ignorada.CONTRATO_NAO_ATIVO.value)),
        detalhe=pl.when(pl.col("situacao") != Situacao.ATIVO.value).then(
            pl.concat_str(pl.lit("o contrato está "), pl.col("situacao"))
        ),
        ufs=pl.when(pl.col("casa") == ddd).then(ddd).otherwise(pl.concat_str(ddd, "casa", separator="|",
                                                                             ignore_nulls=True)),
    )  # fmt: skip
    return _once_a_day(rows, pl.DataFrame(schema=KNOWN) if known is None else known).select(*PEDIDOS)


def set_aside_massivas(
    received: Received, contratos: pl.DataFrame, enderecos: pl.DataFrame, *, day: date, portfolio: Portfolio
) -> pl.DataFrame:
    """``ignoradas``: the rows of the day's massive files that are no message, by layout, file and line."""
    judged = pedidos(received, contratos, enderecos, portfolio=portfolio).filter(pl.col("motivo").is_not_null())
    aside = [
        set_aside(part, day, Ignorada(motivo), pl.col("detalhe"))
        for (motivo,), part in judged.group_by("motivo", maintain_order=True)
    ]
    return ignoradas_of_day(aside).sort("layout", "arquivo", "linha", maintain_order=True)


def _rows(received: Received, portfolio: Portfolio) -> pl.DataFrame:
    columns: Schema = {**FIELDS, **ROW_ORIGIN, "carimbo": pl.Datetime("us"), "ordem": pl.Int64}
    frames = [pl.DataFrame(schema={**columns, "layout": pl.String})]
    for layout, frame in sorted(received.items()):
        rows = in_memory(frame).select(pl.col(name).cast(dtype) for name, dtype in columns.items())
        frames.append(rows.with_columns(layout=pl.lit(layout)))
    return (
        pl.concat(frames)
        .sort(*ARRIVAL, nulls_last=False)
        .with_columns(canonical_contrato(pl.col("contrato"), portfolio.contrato_digits).alias("contrato"))
    )


def _once_a_day(rows: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    """Mark every row whose number takes the same template from another row: on the record, or earlier in the files."""
    takes = ["numero_hash", "template"]
    held = known.select(*takes, dona="chave").unique(takes, keep="first", maintain_order=True)
    rows = rows.join(held, on=takes, how="left", maintain_order="left", nulls_equal=True).with_row_index("lugar")
    mine = pl.col("dona").is_null() | (pl.col("dona") == pl.col("chave"))
    may = pl.col("motivo").is_null() & mine
    rows = rows.with_columns(
        pl.col(name).filter(may).first().over(takes).alias(f"primeira_{name}") for name in ("lugar", "arquivo", "linha")
    )
    repeated = pl.col("motivo").is_null() & (~mine | (pl.col("lugar") != pl.col("primeira_lugar")))
    where = pl.concat_str(
        pl.lit(": "), "primeira_arquivo", pl.lit(", linha "), pl.col("primeira_linha").cast(pl.String)
    )
    return rows.with_columns(
        motivo=pl.when(repeated).then(pl.lit(Ignorada.MENSAGEM_REPETIDA.value)).otherwise("motivo"),
        detalhe=pl.when(repeated)
        .then(
            pl.concat_str(
                pl.lit("o número já recebe este template hoje, por outra linha"),
                pl.when(mine).then(where).otherwise(pl.lit("")),
            )
        )
        .otherwise("detalhe"),
    )


def _hashes(rows: pl.DataFrame, name: str, portfolio: str, columns: tuple[str, ...]) -> pl.Series:
    """A pseudonym of the columns' values, the same on every replay and machine."""
    texts = ["\0".join((portfolio, *(value or "" for value in row))) for row in rows.select(columns).iter_rows()]
    return pl.Series(name, [blake2b(text.encode(), digest_size=16).hexdigest() for text in texts], dtype=pl.String)
