"""A day's rules on a base of many contracts: remessa (upsert), acordos (block) and batimento (difference).

The tables are drawn from a seed. Each contender gets them as Parquet and leaves two: `contratos` after the day
(contrato, situacao, bloqueado_em) and `movimentos` (contrato, movimento). The peers know no more than that; this
project's rules also tell file, line and reason, keep the registration's rows, and set rows aside with their motive.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime, timedelta
from pathlib import Path

import duckdb
import numpy as np
import polars as pl

from atom_pipeline.calendar import block_window
from atom_pipeline.layout.catalogue import load_catalogue
from atom_pipeline.portfolio import Portfolio
from atom_pipeline.rules.acordos import apply_acordos
from atom_pipeline.rules.batimento import apply_batimento
from atom_pipeline.rules.remessa import apply_remessa
from atom_pipeline.rules.state import empty
from bench.inputs import DAY, LAYOUTS, SEED

Contender = Callable[[Path], tuple[pl.DataFrame, pl.DataFrame]]
TABLES = ("contratos", "remessa", "acordos", "batimento")
SITUACOES = ("ATIVO", "BLOQUEIO PARCIAL", "RETIRADO", "BAIXADO")


def make_tables(contracts: int, folder: Path) -> None:
    """The base and the day's files; 1 contract in 50 is new, in 100 has an acordo, in 30 is not in the batimento."""
    folder.mkdir(parents=True, exist_ok=True)
    draw = np.random.default_rng(SEED)
    known = pl.DataFrame({"number": np.arange(contracts)})
    situacao = np.asarray(SITUACOES)[draw.choice(4, contracts, p=[0.8, 0.1, 0.05, 0.05])]
    days_ago = draw.integers(0, 20, contracts)
    contratos = _numbered(known).with_columns(
        situacao=pl.Series(situacao),
        situacao_desde=pl.lit(DAY - timedelta(days=30)),
        bloqueado_em=pl.when(pl.Series(situacao) == SITUACOES[1]).then(
            pl.lit(DAY) - pl.duration(days=pl.Series(days_ago))
        ),
        id_crm=pl.col("cpf_cnpj"),
        primeira_alta=pl.lit(DAY - timedelta(days=90)),
    )
    contratos = pl.concat([empty("contratos"), contratos], how="diagonal")
    placed = np.concatenate([
        draw.choice(contracts, contracts // 2, replace=False), contracts + np.arange(contracts // 50)
    ])  # fmt: skip
    files = {
        "contratos": contratos,
        "remessa": _received(pl.DataFrame({"number": placed})).with_columns(saldo=pl.col("linha").cast(pl.Int64)),
        "acordos": _received(pl.DataFrame({"number": draw.choice(contracts, contracts // 100, replace=False)})),
        "batimento": _received(known.filter(pl.Series(draw.integers(0, 30, contracts) > 0))),
    }
    for name, frame in files.items():
        frame.write_parquet(folder / f"{name}.parquet")


def _numbered(rows: pl.DataFrame) -> pl.DataFrame:
    number = pl.col("number").cast(pl.String)
    return rows.select(contrato=number.str.zfill(10), cpf_cnpj=number.str.zfill(11))


def _received(rows: pl.DataFrame) -> pl.DataFrame:
    return _numbered(rows).with_row_index("linha", offset=1).with_columns(
        arquivo=pl.lit("arquivo"), carimbo=pl.lit(datetime(2026, 11, 22, 19)), ordem=pl.lit(1, pl.Int64),
        numero_acordo=pl.col("contrato"), parcela=pl.lit("1"), motivo=pl.lit("QUITADO"),
    )  # fmt: skip


def _portfolio() -> Portfolio:
    return load_catalogue(LAYOUTS).portfolio


def ours(folder: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The rules of the pipeline."""
    tables = {name: pl.read_parquet(folder / f"{name}.parquet") for name in TABLES}
    portfolio = _portfolio()
    first = apply_remessa(
        tables["contratos"], empty("cadastro"), {"remessa": tables["remessa"]}, day=DAY, portfolio=portfolio
    )
    second = apply_acordos(
        first.tables["contratos"], empty("acordos"), {"acordos": tables["acordos"]}, day=DAY, portfolio=portfolio
    )
    third = apply_batimento(
        second.tables["contratos"], {"batimento": tables["batimento"]}, day=DAY, portfolio=portfolio
    )
    movimentos = pl.concat([step.movimentos.select("contrato", "movimento") for step in (first, second, third)])
    return third.tables["contratos"].select("contrato", "situacao", "bloqueado_em"), movimentos


def _oldest() -> date:
    return block_window(DAY, _portfolio().block)


def by_duckdb(folder: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The same in SQL: a join per event."""
    window = f"bloqueado_em BETWEEN DATE '{_oldest()}' AND DATE '{DAY}'"
    with duckdb.connect() as connection:
        for name in TABLES:
            connection.execute(f"CREATE VIEW {name}_in AS SELECT * FROM '{folder / name}.parquet'")
        connection.execute(f"""
            CREATE TABLE placed AS SELECT r.contrato, c.situacao, c.bloqueado_em, coalesce({window}, false) AS kept
            FROM remessa_in r LEFT JOIN contratos_in c USING (contrato);
            CREATE TABLE first AS
            SELECT contrato, situacao, bloqueado_em FROM contratos_in
            WHERE contrato NOT IN (SELECT contrato FROM placed WHERE NOT kept)
            UNION ALL SELECT contrato, 'ATIVO', bloqueado_em FROM placed WHERE NOT kept;
            CREATE TABLE second AS SELECT f.contrato, f.situacao AS antes, a.contrato IS NOT NULL AS hit,
              CASE WHEN hit AND f.situacao IN ('ATIVO', 'BLOQUEIO PARCIAL') THEN 'BLOQUEIO PARCIAL' ELSE f.situacao END
                AS situacao,
              CASE WHEN hit THEN DATE '{DAY}' ELSE f.bloqueado_em END AS bloqueado_em
            FROM first f LEFT JOIN acordos_in a USING (contrato);
            CREATE TABLE third AS SELECT s.contrato, s.situacao, s.bloqueado_em, b.contrato IS NULL AND
              (s.situacao = 'ATIVO' OR (s.situacao = 'BLOQUEIO PARCIAL' AND NOT coalesce({window}, false))) AS closed
            FROM second s LEFT JOIN batimento_in b USING (contrato);
        """)
        contratos = connection.sql(
            "SELECT contrato, CASE WHEN closed THEN 'BAIXADO' ELSE situacao END AS situacao, bloqueado_em FROM third "
            "ORDER BY contrato"
        ).pl()
        movimentos = connection.sql("""
            SELECT contrato, CASE WHEN kept THEN 'IGNORADO_BLOQUEIO' WHEN situacao = 'ATIVO' THEN 'ATUALIZACAO'
              WHEN situacao IN ('RETIRADO', 'BAIXADO') THEN 'REATIVACAO' ELSE 'ALTA' END AS movimento FROM placed
            UNION ALL SELECT contrato, CASE WHEN antes IN ('ATIVO', 'BLOQUEIO PARCIAL') THEN 'BLOQUEIO'
              ELSE 'ACORDO_REGISTRADO' END FROM second WHERE hit
            UNION ALL SELECT contrato, 'BAIXA_BATIMENTO' FROM third WHERE closed
        """).pl()
    return contratos, movimentos


def by_pandas(folder: Path) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The same with data frames of pandas."""
    import pandas as pd

    base = pd.read_parquet(folder / "contratos.parquet", columns=["contrato", "situacao", "bloqueado_em"])
    base["bloqueado_em"] = pd.to_datetime(base["bloqueado_em"])
    placed = pd.read_parquet(folder / "remessa.parquet", columns=["contrato"]).merge(base, how="left", on="contrato")
    today, oldest = pd.Timestamp(DAY), pd.Timestamp(_oldest())
    kept = placed["bloqueado_em"].between(oldest, today)
    kinds = placed["situacao"].map(
        {"ATIVO": "ATUALIZACAO", "RETIRADO": "REATIVACAO", "BAIXADO": "REATIVACAO"}
    ).fillna("ALTA").where(~kept, "IGNORADO_BLOQUEIO")  # fmt: skip
    used = placed.loc[~kept, ["contrato", "bloqueado_em"]].assign(situacao="ATIVO")
    now = pd.concat([base[~base["contrato"].isin(used["contrato"])], used], ignore_index=True)
    settled = pd.read_parquet(folder / "acordos.parquet", columns=["contrato"])["contrato"]
    hit = now["contrato"].isin(settled)
    opened = now["situacao"].isin(["ATIVO", "BLOQUEIO PARCIAL"])
    blocks = now.loc[hit, "contrato"].to_frame().assign(
        movimento=np.where(opened[hit], "BLOQUEIO", "ACORDO_REGISTRADO")
    )  # fmt: skip
    now.loc[hit & opened, "situacao"] = "BLOQUEIO PARCIAL"
    now.loc[hit, "bloqueado_em"] = today
    listed = pd.read_parquet(folder / "batimento.parquet", columns=["contrato"])["contrato"]
    standing_by = (now["situacao"] == "BLOQUEIO PARCIAL") & now["bloqueado_em"].between(oldest, today)
    closed = now["situacao"].isin(["ATIVO", "BLOQUEIO PARCIAL"]) & ~standing_by & ~now["contrato"].isin(listed)
    now.loc[closed, "situacao"] = "BAIXADO"
    movimentos = pd.concat([
        placed[["contrato"]].assign(movimento=kinds), blocks,
        now.loc[closed, ["contrato"]].assign(movimento="BAIXA_BATIMENTO"),
    ])  # fmt: skip
    contratos = pl.from_pandas(now[["contrato", "situacao", "bloqueado_em"]].sort_values("contrato"))
    return contratos.with_columns(pl.col("bloqueado_em").cast(pl.Date)), pl.from_pandas(movimentos)


CONTENDERS: dict[str, Contender] = {"this project": ours, "DuckDB SQL": by_duckdb, "pandas": by_pandas}


def same(one: tuple[pl.DataFrame, pl.DataFrame], other: tuple[pl.DataFrame, pl.DataFrame]) -> bool:
    """Whether two contenders left the same base and the same events, whatever their order."""
    orders = ["contrato"], ["contrato", "movimento"]
    return all(a.sort(by).equals(b.sort(by).select(a.columns)) for a, b, by in zip(one, other, orders, strict=True))
