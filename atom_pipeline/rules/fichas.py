"""Fichas: a client's record at the CRM, one per CPF/CNPJ, with its status derived from the contracts (R019, UC006).

What belongs here: `fichas` from `contratos` and `cadastro`. What does not: any event; a ficha never changes by itself.
"""

from __future__ import annotations

import polars as pl

from atom_pipeline.portfolio import Portfolio
from atom_pipeline.rules.state import TABLES, Rows, Situacao, StatusFicha


def fichas(contratos: pl.DataFrame, cadastro: Rows, portfolio: Portfolio) -> pl.DataFrame:
    """One row per client of the base: ATIVA when any contract is ATIVO, else BLOQUEIO PARCIAL when any is, else closed.

    ``nome`` and ``cpf_cnpj`` are those of the client's newest remessa row (then the highest contract number); ``nome``
    is null while no row with a name came. Sorted by id_crm.
    """
    columns = cadastro.collect_schema()
    names = (
        cadastro.lazy()
        .select(
            "contrato",
            pl.col("nome") if "nome" in columns else pl.lit(None, pl.String).alias("nome"),
            "dia",
            "carimbo",
        )
        .collect()
    )
    newest_last = ("dia", "carimbo", "contrato")
    any_is = {situacao: (pl.col("situacao") == situacao.value).any() for situacao in Situacao}
    return (
        contratos.select("contrato", "id_crm", "cpf_cnpj", "situacao")
        .join(names, on="contrato", how="left")
        .sort(*newest_last, nulls_last=False)
        .group_by("id_crm")
        .agg(
            pl.col("cpf_cnpj").last(),
            pl.col("nome").drop_nulls().last(),
            pl.when(any_is[Situacao.ATIVO])
            .then(pl.lit(StatusFicha.ATIVA.value))
            .when(any_is[Situacao.BLOQUEIO_PARCIAL])
            .then(pl.lit(StatusFicha.BLOQUEIO_PARCIAL.value))
            .otherwise(pl.lit(StatusFicha.TODOS_BAIXADOS.value))
            .alias("status"),
        )
        .with_columns(id_campanha=pl.lit(portfolio.campaign.id, pl.Int64))
        .select(list(TABLES["fichas"]))
        .sort("id_crm")
    )
