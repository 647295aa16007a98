"""``marcacoes``: which contracts a massive action reached, by file and line (R035, R036, UC014, UC015).

A row of the e-mail history marks every contract of its client (CPF/CNPJ); a row of the SMS history every contract that
has its phone, one or several (section 4 of the specification), whatever their situacao: it says what was done. A
WhatsApp message marks its contract when OMNE has answered. Marks are kept: each day's table has those of the days
before it, up to ``history_days``.
"""

from __future__ import annotations

from datetime import date, timedelta

import polars as pl

from atom_pipeline.identity import canonical_document
from atom_pipeline.massiva.states import Status
from atom_pipeline.rules.received import Received
from atom_pipeline.rules.state import (
    ROW_ORIGIN,
    Ignorada,
    Schema,
    empty,
    ignoradas_of_day,
    in_memory,
    schema,
    set_aside,
)

WHATSAPP_ENVIADA = "Massiva WhatsApp enviada com sucesso"
WHATSAPP_NAO_ENVIADA = "Massiva WhatsApp enviada sem sucesso"
EMAIL = "Ação Massiva – Email"
SMS = "Ação Massiva – SMS"

# What OMNE answered, from the record: one row per settled message, on the day whose marks it is part of.
RESPOSTAS: Schema = {
    "dia": pl.Date,
    "contrato": pl.String,
    "status": pl.String,
    "enviada_em": pl.Date,
    "detalhe": pl.String,
    **ROW_ORIGIN,
}
ORDER = ("contrato", "dia", "canal", "arquivo", "linha", "marcacao")
_HISTORY: Schema = {"chave": pl.String, "protocolo": pl.String, "data_envio": pl.Date, **ROW_ORIGIN}


def marcacoes_of_day(
    previous: pl.DataFrame,
    histories: Received,
    contratos: pl.DataFrame,
    telefones: pl.DataFrame,
    respostas: pl.DataFrame,
    *,
    day: date,
    history_days: int,
) -> pl.DataFrame:
    """The marks known on ``day``: those of ``previous`` that are not too old, and the day's own.

    ``histories`` are the accepted rows of the day's history files by layout, ``respostas`` (RESPOSTAS) OMNE's answers
    of the day.
    """
    parts = [_kept(previous, day, history_days), _answers(respostas)]
    for frame in map(in_memory, histories.values()):
        parts.append(_marks(frame, contratos, telefones, day))
    return pl.concat(parts).unique().sort(*ORDER, "enviada_em", "detalhe", nulls_last=False)


def set_aside_histories(
    histories: Received, contratos: pl.DataFrame, telefones: pl.DataFrame, *, day: date
) -> pl.DataFrame:
    """``ignoradas``: the rows of history files about nobody of the base, by layout, file and line."""
    aside = []
    for layout, found in sorted(histories.items()):
        frame = in_memory(found)
        rows, owners = _rows_and_owners(frame, contratos, telefones)
        motivo = Ignorada.CLIENTE_FORA_DA_BASE if _is_email(frame) else Ignorada.TELEFONE_FORA_DA_BASE
        strangers = rows.join(owners, on="chave", how="anti")
        columns = strangers.with_columns(layout=pl.lit(layout), contrato=pl.lit(None, pl.String))
        aside.append(set_aside(columns, day, motivo))
    return ignoradas_of_day(aside)


def _kept(previous: pl.DataFrame, day: date, history_days: int) -> pl.DataFrame:
    shape = schema("marcacoes")
    found = previous.select(
        (pl.col(name).cast(dtype) if name in previous.columns else pl.lit(None, dtype)).alias(name)
        for name, dtype in shape.items()
    )
    return found.filter((pl.col("dia") < day) & (pl.col("dia") >= day - timedelta(days=history_days)))


def _answers(respostas: pl.DataFrame) -> pl.DataFrame:
    accepted = pl.col("status") == Status.ACEITO.value
    return respostas.select(
        "dia",
        "contrato",
        marcacao=pl.when(accepted).then(pl.lit(WHATSAPP_ENVIADA)).otherwise(pl.lit(WHATSAPP_NAO_ENVIADA)),
        canal=pl.lit("WHATSAPP"),
        enviada_em="enviada_em",
        detalhe="detalhe",
        arquivo="arquivo",
        linha="linha",
    ).select(*schema("marcacoes"))


def _marks(frame: pl.DataFrame, contratos: pl.DataFrame, telefones: pl.DataFrame, day: date) -> pl.DataFrame:
    rows, owners = _rows_and_owners(frame, contratos, telefones)
    email = _is_email(frame)
    protocol = pl.concat_str(pl.lit("protocolo "), pl.col("protocolo"))
    return (
        rows.join(owners, on="chave", how="inner")
        .with_columns(
            dia=pl.lit(day, pl.Date),
            marcacao=pl.lit(EMAIL if email else SMS),
            canal=pl.lit("EMAIL" if email else "SMS"),
            enviada_em=pl.coalesce("data_envio", pl.lit(day, pl.Date)),
            detalhe=protocol,
        )
        .select(*empty("marcacoes").columns)
    )


def _is_email(frame: pl.DataFrame) -> bool:
    """E-mail histories name the client, SMS ones the phone."""
    return "cpf_cnpj" in frame.columns


def _rows_and_owners(
    frame: pl.DataFrame, contratos: pl.DataFrame, telefones: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The history's rows with what they name as ``chave``, and the contracts (chave, contrato) that have it."""
    if _is_email(frame):
        key = canonical_document(pl.col("cpf_cnpj"))
        owners = contratos.select("contrato", chave=canonical_document(pl.col("cpf_cnpj")))
    else:
        key = pl.col("telefone").str.strip_chars_start("0")
        owners = telefones.select("contrato", chave="telefone")
    rows = frame.with_columns(chave=key).select(
        (pl.col(name) if name in {"chave", *frame.columns} else pl.lit(None)).cast(dtype).alias(name)
        for name, dtype in _HISTORY.items()
    )
    named = owners.join(rows.select("chave"), on="chave", how="semi", maintain_order="left")
    return rows, named.unique(maintain_order=True)
