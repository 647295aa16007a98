"""The tables of the base: their columns, and how a step hands over what it makes of them (DESIGN section 5).

What belongs here: schemas, the words a row of the base may hold, and the ``Step`` every rule returns. What does not:
any rule, and where tables are stored (``resources.lake``). Every table is written in a stated order, so that a day made
twice has the same bytes.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum

import polars as pl
from polars.datatypes import DataType, DataTypeClass

type_of = DataType | DataTypeClass
Schema = dict[str, type_of]

MONEY = pl.Decimal(18, 2)


class Situacao(StrEnum):
    """What a contract is to the collection base."""

    ATIVO = "ATIVO"
    BLOQUEIO_PARCIAL = "BLOQUEIO PARCIAL"
    RETIRADO = "RETIRADO"
    BAIXADO = "BAIXADO"


OPEN = (Situacao.ATIVO.value, Situacao.BLOQUEIO_PARCIAL.value)


class StatusFicha(StrEnum):
    """What a client is to the CRM (R019, UC006)."""

    ATIVA = "ATIVA"
    BLOQUEIO_PARCIAL = "BLOQUEIO PARCIAL"
    TODOS_BAIXADOS = "TODOS CONTRATOS BAIXADOS"


class Movimento(StrEnum):
    """What happened to a contract: one row of ``movimentos`` each."""

    ALTA = "ALTA"
    ATUALIZACAO = "ATUALIZACAO"
    REATIVACAO = "REATIVACAO"
    IGNORADO_BLOQUEIO = "IGNORADO_BLOQUEIO"
    BLOQUEIO = "BLOQUEIO"
    ACORDO_REGISTRADO = "ACORDO_REGISTRADO"
    RETIRADA = "RETIRADA"
    BAIXA_BATIMENTO = "BAIXA_BATIMENTO"


class Motivo(StrEnum):
    """Why a contract is in its present situacao, as an operator reads it in ``contratos.motivo``."""

    ALTA = "Alta pela remessa"
    REATIVACAO = "Retorno pela remessa"
    ACORDO = "Acordo em stand-by"
    ACORDO_DO_CLIENTE = "Acordo em outro contrato do cliente"
    RETIRADA = "Exclusão e retirada"
    BATIMENTO = "Fora do batimento"


class Ignorada(StrEnum):
    """Why a rule set an accepted row aside: one row of ``ignoradas``, and of the error file when it can be mended."""

    IGNORADO_BLOQUEIO = "IGNORADO_BLOQUEIO"
    CONTRATO_FORA_DA_BASE = "CONTRATO_FORA_DA_BASE"
    CPF_DIVERGENTE = "CPF_DIVERGENTE"
    OUTRA_CARTEIRA = "OUTRA_CARTEIRA"
    MOTIVO_NAO_BLOQUEIA = "MOTIVO_NAO_BLOQUEIA"
    CONTRATO_NAO_ATIVO = "CONTRATO_NAO_ATIVO"
    MENSAGEM_REPETIDA = "MENSAGEM_REPETIDA"
    CLIENTE_FORA_DA_BASE = "CLIENTE_FORA_DA_BASE"
    TELEFONE_FORA_DA_BASE = "TELEFONE_FORA_DA_BASE"


ROW_ORIGIN: Schema = {"arquivo": pl.String, "linha": pl.UInt32}
ACCEPTED: Schema = {**ROW_ORIGIN, "carimbo": pl.Datetime("us"), "ordem": pl.Int64}

# The columns a table always has. Those of TAKES_FIELDS also hold fields of a layout: `contratos` after these columns
# (portfolio.contratos_columns), the others before them.
TABLES: dict[str, Schema] = {
    "contratos": {
        "contrato": pl.String,
        "cpf_cnpj": pl.String,
        "id_crm": pl.String,
        "situacao": pl.String,
        "situacao_desde": pl.Date,
        "bloqueado_em": pl.Date,
        "motivo": pl.String,
        "numero_acordo": pl.String,
        "primeira_alta": pl.Date,
        "ultima_remessa": pl.Date,
    },
    "fichas": {
        "id_crm": pl.String,
        "id_campanha": pl.Int64,
        "cpf_cnpj": pl.String,
        "nome": pl.String,
        "status": pl.String,
    },
    "cadastro": {"registro": pl.String, **ROW_ORIGIN, "carimbo": pl.Datetime("us"), "dia": pl.Date},
    "enderecos": {
        "contrato": pl.String,
        "ordem": pl.Int64,
        "tipo": pl.String,
        "logradouro": pl.String,
        "numero": pl.String,
        "complemento": pl.String,
        "bairro": pl.String,
        "cidade": pl.String,
        "uf": pl.String,
        "cep": pl.String,
    },
    "telefones_contato": {
        "contrato": pl.String,
        "telefone": pl.String,
        "ddd": pl.String,
        "numero": pl.String,
        "tipo": pl.String,
        "score": pl.Int64,
        "origem": pl.String,
        "ordem": pl.Int64,
        "enriquecimento": pl.Int64,
        "enriquecido_em": pl.Date,
        "desde": pl.Date,
        **ROW_ORIGIN,
    },
    "parcelas_abertas": {**ROW_ORIGIN, "dia": pl.Date},
    "garantias": {"registro": pl.String, **ROW_ORIGIN, "dia": pl.Date},
    "refin_vigente": {**ROW_ORIGIN, "dia": pl.Date},
    "acordos": {
        "contrato": pl.String,
        "numero_acordo": pl.String,
        "parcela": pl.String,
        "motivo": pl.String,
        "data_movimento": pl.Date,
        "valor": MONEY,
        "bloqueia": pl.Boolean,
        "primeiro_dia": pl.Date,
        **ROW_ORIGIN,
    },
    "marcacoes": {
        "dia": pl.Date,
        "contrato": pl.String,
        "marcacao": pl.String,
        "canal": pl.String,
        "enviada_em": pl.Date,
        "detalhe": pl.String,
        **ROW_ORIGIN,
    },
    "movimentos": {
        "dia": pl.Date,
        "contrato": pl.String,
        "movimento": pl.String,
        "situacao_antes": pl.String,
        "situacao_depois": pl.String,
        **ROW_ORIGIN,
        "detalhe": pl.String,
    },
    "recusadas": {
        "dia": pl.Date,
        "layout": pl.String,
        **ROW_ORIGIN,
        "registro": pl.String,
        "campo": pl.String,
        "motivo": pl.String,
        "detalhe": pl.String,
        "outros": pl.String,
        "original": pl.String,
    },
    "ignoradas": {
        "dia": pl.Date,
        "layout": pl.String,
        **ROW_ORIGIN,
        "contrato": pl.String,
        "motivo": pl.String,
        "detalhe": pl.String,
    },
    "cargas": {
        "dia": pl.Date,
        "layout": pl.String,
        "arquivo": pl.String,
        "versao": pl.Int64,
        "tamanho": pl.Int64,
        "sha256": pl.String,
        "situacao": pl.String,
        "motivo": pl.String,
        "lidas": pl.Int64,
        "aceitas": pl.Int64,
        "recusadas": pl.Int64,
        "substituidas": pl.Int64,
    },
    "sinalizadas": {
        "dia": pl.Date,
        "layout": pl.String,
        **ROW_ORIGIN,
        "campo": pl.String,
        "motivo": pl.String,
    },
}

TAKES_FIELDS = ("contratos", "cadastro", "parcelas_abertas", "garantias", "refin_vigente")


def schema(table: str, fields: Mapping[str, type_of] | None = None) -> Schema:
    """The columns of a table in order. ``fields`` are those of a layout that it carries; at least ``contrato``.

    What says where a row comes from is the table's own, whatever the layout has. Raises KeyError for a table
    that the base does not have.
    """
    fixed = TABLES[table]
    if table not in TAKES_FIELDS:
        return dict(fixed)
    own = {*fixed, *ACCEPTED, "registro"}
    carried = {name: dtype for name, dtype in (fields or {}).items() if name not in own}
    if table == "contratos":
        return {**fixed, **carried}
    return {"contrato": pl.String, **carried, **fixed}


def empty(table: str, fields: Mapping[str, type_of] | None = None) -> pl.DataFrame:
    """A table without rows."""
    return pl.DataFrame(schema=schema(table, fields))


def _no(table: str) -> pl.DataFrame:
    return empty(table)


Rows = pl.DataFrame | pl.LazyFrame
"""A table, in memory or, where it may be too large for that, as a plan of how its rows are read and made."""


def in_kind(rows: pl.LazyFrame, like: Rows) -> Rows:
    """The rows in memory when what they were made from was in memory."""
    return rows.collect() if isinstance(like, pl.DataFrame) else rows


def in_memory(rows: Rows) -> pl.DataFrame:
    """The rows, all of them read."""
    return rows if isinstance(rows, pl.DataFrame) else rows.collect()


@dataclass(frozen=True)
class Step:
    """What a rule makes of the base with one day's file: a candidate until it was judged (``guards.promote``).

    ``tables`` are the tables it changes, whole; ``before`` the same tables as they came. The three others hold this
    step's rows only: what happened, which rows it set aside, which it used and flagged.
    """

    tables: dict[str, Rows]
    before: dict[str, Rows] = field(default_factory=dict)
    movimentos: pl.DataFrame = field(default_factory=lambda: _no("movimentos"))
    ignoradas: pl.DataFrame = field(default_factory=lambda: _no("ignoradas"))
    sinalizadas: pl.DataFrame = field(default_factory=lambda: _no("sinalizadas"))

    def frame(self, table: str) -> pl.DataFrame:
        """A table after the step, in memory. Raises KeyError where the step does not touch it."""
        return in_memory(self.tables[table])

    @property
    def contratos(self) -> pl.DataFrame:
        """The contracts after the step. Raises KeyError where the step does not touch them."""
        return self.frame("contratos")


def movimentos_of_day(parts: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """The movimentos of a day from those of its steps, given in their order: sorted by contrato, then as it went."""
    return _joined("movimentos", parts).sort("contrato", maintain_order=True)


def ignoradas_of_day(parts: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """The rows set aside on a day, by contrato (rows without one first), layout, file and line."""
    return _joined("ignoradas", parts).sort("contrato", "layout", "arquivo", "linha", "motivo", "detalhe")


def sinalizadas_of_day(parts: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """The rows used and flagged on a day, by layout, file, line and field."""
    return _joined("sinalizadas", parts).sort("layout", "arquivo", "linha", "campo", "motivo")


def set_aside(rows: pl.DataFrame, day: date, motivo: Ignorada, detalhe: pl.Expr | None = None) -> pl.DataFrame:
    """``ignoradas`` from rows that have layout, arquivo, linha and contrato."""
    return rows.select(
        pl.lit(day, pl.Date).alias("dia"),
        "layout",
        "arquivo",
        "linha",
        "contrato",
        pl.lit(motivo.value).alias("motivo"),
        (pl.lit(None, pl.String) if detalhe is None else detalhe).alias("detalhe"),
    )


def _joined(table: str, parts: Iterable[pl.DataFrame]) -> pl.DataFrame:
    frames: Sequence[pl.DataFrame] = [empty(table), *parts]
    return pl.concat([frame.select(list(TABLES[table])) for frame in frames], how="vertical")
