"""The placement file: who enters collection, returns to it, or changes (UC001, R004, R020).

What belongs here: what one row of the remessa does to `contratos` and `cadastro`. What does not: the phones and
addresses that come in the same row, which only rows applied here may touch (those of `cadastro` with ``dia`` = D).
"""

from __future__ import annotations

from datetime import date

import polars as pl

from atom_pipeline.calendar import block_window, released_on
from atom_pipeline.identity import canonical_document, id_crm
from atom_pipeline.portfolio import BlockBy, Portfolio
from atom_pipeline.rules.changes import changed_fields
from atom_pipeline.rules.picking import rows_with, rows_without
from atom_pipeline.rules.received import Received, newest_rows
from atom_pipeline.rules.state import (
    TABLES,
    Ignorada,
    Motivo,
    Movimento,
    Rows,
    Situacao,
    Step,
    in_kind,
    schema,
    set_aside,
)

CPF_CHANGED = "CPF/CNPJ do contrato alterado"
_IS_ACTIVE = pl.col("situacao").eq_missing(Situacao.ATIVO.value)


def apply_remessa(
    contratos: pl.DataFrame, cadastro: Rows, received: Received, *, day: date, portfolio: Portfolio
) -> Step:
    """Apply a day's remessa: ALTA, ATUALIZACAO, REATIVACAO, or IGNORADO_BLOQUEIO inside the block's window (R020).

    ``received`` holds the accepted rows by layout; of several rows of one contract the newest counts. In the window
    nothing of a row is used. With ``block.by: cliente`` the window of any contract of the client counts, also for a
    contract that the base does not know. A contract whose CPF/CNPJ changed follows the newest row. Changes `contratos`,
    sorted by contrato, and `cadastro`, sorted by the day the row was accepted, file and line; of `cadastro` and of what
    was received some columns are read at a time when they are plans.
    """
    places, rows = newest_rows(received, portfolio)
    facts = _facts(places, contratos, day, portfolio)
    in_window = facts["na_janela"]
    applied = facts.filter(~in_window)
    used = _gathered(rows, applied["lugar"])
    changes = changed_fields(rows, cadastro, applied.filter(_IS_ACTIVE)["lugar"])
    ignored = facts.filter(in_window)
    return Step(
        tables={
            "contratos": _new_contratos(contratos, applied, used, day, portfolio),
            "cadastro": in_kind(_new_cadastro(cadastro.lazy(), used, day), cadastro),
        },
        before={"contratos": contratos, "cadastro": cadastro},
        movimentos=_movimentos(facts, changes, day, portfolio),
        ignoradas=set_aside(ignored, day, Ignorada.IGNORADO_BLOQUEIO, _until(ignored, portfolio)),
    )


def _gathered(rows: pl.LazyFrame, places: pl.Series) -> pl.LazyFrame:
    """The rows at these places, in this order; nothing is read when it is the order in which they are."""
    if not places.is_sorted():
        return rows.collect()[places].lazy()
    count = rows.select(pl.len()).collect().item()
    if places.len() == count:
        return rows
    left_out = pl.int_range(0, count, dtype=pl.UInt32(), eager=True).alias("lugar").to_frame()
    left_out = left_out.join(places.alias("lugar").to_frame(), on="lugar", how="anti")
    return rows_without(rows.with_row_index("lugar"), left_out["lugar"]).drop("lugar")


def _facts(places: pl.DataFrame, contratos: pl.DataFrame, day: date, portfolio: Portfolio) -> pl.DataFrame:
    """One row per contract of the remessa: what the base knows of it, and the block that counts."""
    known = contratos.select(list(TABLES["contratos"])).rename({"cpf_cnpj": "cpf_antes"})
    facts = places.drop("carimbo", "ordem").join(known, on="contrato", how="left", maintain_order="left")
    block = pl.col("bloqueado_em")
    if portfolio.block.by is BlockBy.CLIENTE:
        facts = _with_block_of_client(facts, contratos)
        block = pl.max_horizontal("bloqueado_em", "bloqueio_do_cliente", "bloqueio_do_cliente_antes")
    oldest = block_window(day, portfolio.block)
    return facts.with_columns(bloqueio=block).with_columns(
        na_janela=pl.col("bloqueio").is_between(oldest, day).fill_null(False)
    )


def _with_block_of_client(facts: pl.DataFrame, contratos: pl.DataFrame) -> pl.DataFrame:
    """The newest block among the contracts of the row's client, and of the client the contract had before."""
    blocks = (
        contratos.select(canonical_document(pl.col("cpf_cnpj")).alias("cliente"), "bloqueado_em")
        .drop_nulls()
        .group_by("cliente")
        .agg(pl.col("bloqueado_em").max())
    )
    for document, name in (("cpf_cnpj", "bloqueio_do_cliente"), ("cpf_antes", "bloqueio_do_cliente_antes")):
        facts = (
            facts.with_columns(canonical_document(pl.col(document)).alias("cliente"))
            .join(blocks.rename({"bloqueado_em": name}), on="cliente", how="left", maintain_order="left")
            .drop("cliente")
        )
    return facts


def _new_contratos(
    contratos: pl.DataFrame, applied: pl.DataFrame, used: pl.LazyFrame, day: date, portfolio: Portfolio
) -> pl.DataFrame:
    """`contratos` with the applied rows in place of what they were. ``applied`` and ``used`` are in one order."""
    returns = pl.col("situacao").is_in([Situacao.RETIRADO.value, Situacao.BAIXADO.value]).fill_null(False)
    same_client = pl.col("cpf_cnpj").eq_missing(pl.col("cpf_antes"))
    changed = applied.with_columns(
        id_crm=pl.when(same_client).then("id_crm"),
        situacao=pl.lit(Situacao.ATIVO.value),
        situacao_desde=pl.when(_IS_ACTIVE).then("situacao_desde").otherwise(pl.lit(day, pl.Date)),
        motivo=pl.when(_IS_ACTIVE)
        .then("motivo")
        .when(returns)
        .then(pl.lit(Motivo.REATIVACAO.value))
        .otherwise(pl.lit(Motivo.ALTA.value)),
        primeira_alta=pl.col("primeira_alta").fill_null(pl.lit(day, pl.Date)),
        ultima_remessa=pl.lit(day, pl.Date),
    ).select(list(TABLES["contratos"]))
    missing = changed["id_crm"].is_null()
    if missing.any():
        documents = changed["cpf_cnpj"].zip_with(missing, pl.Series([None], dtype=pl.String))
        changed = changed.with_columns(pl.col("id_crm").fill_null(id_crm(portfolio.portfolio, documents)))
    carried = _carried(contratos, used, portfolio)
    kept = contratos.join(applied.select("contrato"), on="contrato", how="anti")
    return pl.concat([kept, changed.hstack(carried)], how="diagonal_relaxed").sort("contrato")


def _carried(contratos: pl.DataFrame, used: pl.LazyFrame, portfolio: Portfolio) -> list[pl.Series]:
    """The remessa fields that `contratos` carries, as they stand in the applied rows."""
    names = [name for name in dict.fromkeys(portfolio.contratos_columns) if name not in TABLES["contratos"]]
    known = used.collect_schema().names()
    here = [name for name in names if name in known]
    columns = used.select(here).collect().get_columns()
    gone = [name for name in names if name not in here and name in contratos.columns]
    if gone:  # a version of the layout without the field: what was known stays
        before = (
            used.select("contrato")
            .collect()
            .join(contratos.select("contrato", *gone), on="contrato", how="left", maintain_order="left")
        )
        columns += before.select(gone).get_columns()
    return columns


def _new_cadastro(cadastro: pl.LazyFrame, used: pl.LazyFrame, day: date) -> pl.LazyFrame:
    """`cadastro` with the applied rows in place of the earlier ones of their contracts."""
    rows = used.with_columns(pl.lit(day, pl.Date).alias("dia"))
    fields = {name: dtype for name, dtype in rows.collect_schema().items() if name not in ("layout", "ordem")}
    fields |= {name: dtype for name, dtype in cadastro.collect_schema().items() if name not in fields}
    stays = cadastro.select("contrato").join(rows.select("contrato"), on="contrato", how="anti").collect()
    kept = rows_with(cadastro, stays["contrato"])
    columns = list(schema("cadastro", fields))
    # Both parts are in order, and so is the whole: to sort a million rows of 280 columns again takes ten seconds.
    return pl.concat([kept, rows.drop("layout", "ordem")], how="diagonal_relaxed").select(columns)


def _movimentos(facts: pl.DataFrame, changes: pl.DataFrame, day: date, portfolio: Portfolio) -> pl.DataFrame:
    """One movimento per row that did something, or was set aside; none for a row equal to the last one."""
    situacao, in_window = pl.col("situacao"), pl.col("na_janela")
    events = facts.join(changes, on="contrato", how="left", maintain_order="left").filter(
        in_window | ~_IS_ACTIVE | pl.col("campos").is_not_null()
    )
    other_client = (pl.col("cpf_cnpj").ne_missing(pl.col("cpf_antes"))) & situacao.is_not_null()
    return events.sort("contrato").select(
        pl.lit(day, pl.Date).alias("dia"),
        "contrato",
        pl.when(in_window)
        .then(pl.lit(Movimento.IGNORADO_BLOQUEIO.value))
        .when(_IS_ACTIVE)
        .then(pl.lit(Movimento.ATUALIZACAO.value))
        .when(situacao.is_null() | (situacao == Situacao.BLOQUEIO_PARCIAL.value))
        .then(pl.lit(Movimento.ALTA.value))
        .otherwise(pl.lit(Movimento.REATIVACAO.value))
        .alias("movimento"),
        situacao.alias("situacao_antes"),
        pl.when(in_window).then(situacao).otherwise(pl.lit(Situacao.ATIVO.value)).alias("situacao_depois"),
        "arquivo",
        "linha",
        pl.when(in_window)
        .then(_until(events, portfolio))
        .otherwise(
            pl.concat_str(
                pl.when(other_client).then(pl.lit(CPF_CHANGED)),
                pl.when(_IS_ACTIVE).then("campos"),
                separator="; ",
                ignore_nulls=True,
            ).replace("", None)
        )
        .alias("detalhe"),
    )


def _until(facts: pl.DataFrame, portfolio: Portfolio) -> pl.Expr:
    """The text of a row in the window: since when it is blocked, and from which day on a remessa counts again."""
    days: list[date] = facts.filter("na_janela")["bloqueio"].drop_nulls().unique().sort().to_list()
    texts = [
        f"bloqueado em {day:%d/%m/%Y}; volta pela remessa a partir de {released_on(day, portfolio.block):%d/%m/%Y}"
        for day in days
    ]
    return pl.col("bloqueio").replace_strict(
        pl.Series(days, dtype=pl.Date), pl.Series(texts, dtype=pl.String), default=None, return_dtype=pl.String
    )
