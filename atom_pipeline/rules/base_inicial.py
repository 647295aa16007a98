"""Go-live: the base's tables from what the agency has today, one row per contract, and what is wrong with the rows.

What belongs here: checks that need several fields of a row, or several rows, and the tables of the import's day.
What does not: reading the file and checking one field (``layout``), keeping and recording (``resources.base_import``).

The day after the import goes on as after any other day: a contract in its block's window is ignored by the remessa
(R020), and an acordo that stands in the file does not block again.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date

import polars as pl

from atom_pipeline.calendar import block_window
from atom_pipeline.identity import id_crm
from atom_pipeline.layout.model import Layout
from atom_pipeline.portfolio import Portfolio
from atom_pipeline.rules.acordos import apply_acordos
from atom_pipeline.rules.fichas import fichas
from atom_pipeline.rules.groups import place_within, unfold
from atom_pipeline.rules.shapes import starting_table
from atom_pipeline.rules.state import ACCEPTED, TABLES, Motivo, Situacao, empty, sinalizadas_of_day
from atom_pipeline.rules.telefones import ENRIQUECIMENTO, apply_telefones
from atom_pipeline.waves import ROWS, Operation

USUAL_MOTIVE = {
    Situacao.ATIVO.value: Motivo.ALTA.value,
    Situacao.BLOQUEIO_PARCIAL.value: Motivo.ACORDO.value,
    Situacao.RETIRADO.value: Motivo.RETIRADA.value,
    Situacao.BAIXADO.value: Motivo.BATIMENTO.value,
}
# Never the hash of a row that was sent: nothing that Manager has of the agency's is taken as unchanged.
IMPORTED_CONTENT = "IMPORTADO"
PAST = ("situacao_desde", "bloqueado_em", "primeira_alta", "ultima_remessa")
ACORDO = {
    "numero": pl.String(),
    "parcela": pl.Int64(),
    "motivo": pl.String(),
    "data": pl.Date(),
}
FAULTS = {"linha": pl.UInt32(), "campo": pl.String(), "motivo": pl.String(), "detalhe": pl.String()}
FLAGS = {name: FAULTS[name] for name in ("linha", "campo", "motivo")}


@dataclass(frozen=True)
class InitialBase:
    """Every table of the base on the day of the import (``state.TABLES``), and what Manager holds.

    ``manager`` has ``waves.ROWS``, sorted by contrato. ``phones_left_out`` counts numbers that cannot be dialled, or
    that stand twice in a contract.
    """

    tables: dict[str, pl.DataFrame]
    manager: pl.DataFrame
    phones_left_out: int


def faults_of(rows: pl.DataFrame, day: date) -> pl.DataFrame:
    """What refuses a row beyond its single fields: one line per fault, by line, in the order of the fields.

    Columns linha, campo, motivo, detalhe. A block needs its day; nothing is dated after the import; the dates of a
    row agree with each other; an acordo has a number; an Enriquecimento's n stands once in a contract.
    """
    in_block = pl.col("situacao") == Situacao.BLOQUEIO_PARCIAL.value
    since, blocked, first = pl.col("situacao_desde"), pl.col("bloqueado_em"), pl.col("primeira_alta")
    dates = [name for name in rows.columns if name in PAST or _is_member(name, "acordo", "data")]
    too_late = f"depois do dia da importação, {day:%d/%m/%Y}"
    found = [_fault(rows, name, "FAIXA", pl.col(name) > pl.lit(day, pl.Date), too_late) for name in dates]
    found += [
        _fault(rows, "bloqueado_em", "OBRIGATORIO", in_block & blocked.is_null(), "falta o dia do bloqueio"),
        _fault(rows, "situacao_desde", "INCOERENTE", in_block & (since > blocked), "depois de bloqueado_em"),
        _fault(rows, "primeira_alta", "INCOERENTE", first > since, "depois de situacao_desde"),
    ]
    for place in _places(rows, "acordo", "numero"):
        others = [f"acordo_{place}_{member}" for member in ACORDO if member != "numero"]
        numero = f"acordo_{place}_numero"
        alone = pl.col(numero).is_null() & pl.any_horizontal(pl.col(others).is_not_null())
        found.append(_fault(rows, numero, "OBRIGATORIO", alone, "o acordo não tem número"))
    numbers = [f"telefone_{place}_enriquecimento" for place in _places(rows, "telefone", "enriquecimento")]
    for place, name in enumerate(numbers[1:], start=1):
        again = pl.any_horizontal(pl.col(name) == pl.col(other) for other in numbers[:place])
        found.append(_fault(rows, name, "CHAVE_REPETIDA", again, "o mesmo Enriquecimento n duas vezes no contrato"))
    order = {name: place for place, name in enumerate(rows.columns)}
    return (
        pl.concat(found)
        .sort("linha", pl.col("campo").replace_strict(order, return_dtype=pl.Int64), maintain_order=True)
        .select(list(FAULTS))
    )


def doubts_of(rows: pl.DataFrame, day: date, portfolio: Portfolio) -> pl.DataFrame:
    """What a person should look at before accepting, and no reason to refuse a row: linha, campo, motivo, by line.

    A block whose acordo is not there (the bank's next list blocks anew), an acordo without the instalment that the list
    has, an ATIVO contract inside its block's window, and one CPF/CNPJ under several names.
    """
    situacao = pl.col("situacao")
    numbers = [f"acordo_{place}_numero" for place in _places(rows, "acordo", "numero")]
    without = pl.all_horizontal(pl.col(numbers).is_null())
    window = pl.col("bloqueado_em") >= pl.lit(block_window(day, portfolio.block), pl.Date)
    bare = pl.col("nome").str.normalize("NFKD").str.replace_all(r"\p{M}", "").str.to_uppercase()
    name = bare.str.replace_all(r"\s+", " ").str.strip_chars()
    found = [
        _flag(rows, numbers[0], "BLOQUEIO_SEM_ACORDO", (situacao == Situacao.BLOQUEIO_PARCIAL.value) & without),
        _flag(rows, "bloqueado_em", "ATIVO_NA_JANELA", (situacao == Situacao.ATIVO.value) & window),
        _flag(rows, "nome", "NOME_DIVERGENTE", name.n_unique().over("cpf_cnpj") > 1),
    ]
    for place in _places(rows, "acordo", "numero"):
        no_instalment = pl.col(f"acordo_{place}_numero").is_not_null() & pl.col(f"acordo_{place}_parcela").is_null()
        found.append(_flag(rows, f"acordo_{place}_parcela", "ACORDO_SEM_PARCELA", no_instalment))
    return pl.concat(found).sort("linha", "campo")


def initial_base(
    rows: pl.DataFrame,
    refused: pl.DataFrame,
    flags: pl.DataFrame,
    *,
    day: date,
    portfolio: Portfolio,
    layouts: Collection[Layout],
    layout_name: str,
    file_name: str,
    types: Mapping[str, str],
) -> InitialBase:
    """The base of ``day`` from accepted rows; ``refused`` and ``flags`` (``layout.rejects``) become its lists.

    ``layouts`` are the portfolio's, for the fields its tables carry; ``types`` the meanings of the remessa's phone
    types. `cadastro` has what the file knows of each contract, so that a client keeps the name until the remessa comes.
    """
    origin = {"dia": pl.lit(day, pl.Date), "layout": pl.lit(layout_name), "arquivo": pl.lit(file_name)}
    placed = rows.with_columns(carimbo=pl.lit(None, ACCEPTED["carimbo"]), ordem=pl.lit(0, pl.Int64), **origin)

    def shaped(table: str, found: pl.DataFrame | None = None) -> pl.DataFrame:
        return starting_table(table, found, day=day, portfolio=portfolio, layouts=layouts)

    acordos = _acordos(placed)
    contratos = shaped("contratos", _contratos(placed, portfolio)).sort("contrato")
    known = ["contrato", "cpf_cnpj", "nome", *(name for name in portfolio.contratos_columns if name in placed.columns)]
    known = [*dict.fromkeys([*known, "registro", "arquivo", "linha", "carimbo", "dia"])]
    cadastro = shaped("cadastro", placed.select(known)).sort("linha")
    blocking = apply_acordos(contratos, empty("acordos"), {layout_name: acordos}, day=day, portfolio=portfolio)
    telefones = _telefones(placed, contratos, day, layout_name, types)
    made = {
        "contratos": _with_numero_acordo(contratos, acordos, blocking.frame("acordos")),
        "cadastro": cadastro,
        "fichas": fichas(contratos, cadastro, portfolio),
        "telefones_contato": telefones,
        "acordos": blocking.frame("acordos"),
        "recusadas": refused.with_columns(**origin).select(list(TABLES["recusadas"])),
        "sinalizadas": sinalizadas_of_day(
            [flags.with_columns(**origin).cast({"linha": pl.UInt32}), blocking.sinalizadas]
        ),
    }
    held = rows.filter(pl.col("no_manager") == "S").select("contrato")
    manager = contratos.join(held, on="contrato", how="semi").select(
        "contrato", "id_crm", conteudo=pl.lit(IMPORTED_CONTENT), operacao=pl.lit(Operation.CARGA.value)
    )
    given = unfold(rows, "telefone", {"numero": pl.String()}, ["contrato"]).height
    return InitialBase(
        tables={table: made[table] if table in made else shaped(table) for table in TABLES},
        manager=manager.select(ROWS.names()).cast(ROWS).sort("contrato"),
        phones_left_out=given - telefones.height,
    )


def _contratos(rows: pl.DataFrame, portfolio: Portfolio) -> pl.DataFrame:
    """`contratos` but for ``numero_acordo``, with every column of the file."""
    first_known = pl.min_horizontal("situacao_desde", "bloqueado_em", "ultima_remessa")
    return rows.with_columns(
        id_crm(portfolio.portfolio, rows["cpf_cnpj"]),
        motivo=pl.coalesce("motivo", pl.col("situacao").replace_strict(USUAL_MOTIVE, return_dtype=pl.String)),
        primeira_alta=pl.coalesce("primeira_alta", first_known),
        numero_acordo=pl.lit(None, pl.String),
    )


def _acordos(rows: pl.DataFrame) -> pl.DataFrame:
    """The acordos of every row as an acordos file has them, oldest first within the contract (``ordem``)."""
    return (
        unfold(rows, "acordo", ACORDO, ["contrato", "arquivo", "linha", "carimbo"])
        .rename({"numero": "numero_acordo", "data": "data_movimento", "lugar": "ordem"})
        .sort("linha", "ordem")
    )


def _with_numero_acordo(contratos: pl.DataFrame, acordos: pl.DataFrame, judged: pl.DataFrame) -> pl.DataFrame:
    """``numero_acordo`` of the newest acordo that blocks: by date, then by its place in the row."""
    key = ["contrato", "numero_acordo"]
    newest = (
        acordos.join(judged.filter("bloqueia"), on=key, how="semi")
        .sort("contrato", "data_movimento", "ordem", nulls_last=False)
        .group_by("contrato")
        .agg(pl.col("numero_acordo").last().alias("ultimo"))
    )
    return (
        contratos.join(newest, on="contrato", how="left", maintain_order="left")
        .with_columns(numero_acordo=pl.col("ultimo"))
        .drop("ultimo")
    )


def _telefones(
    rows: pl.DataFrame, contratos: pl.DataFrame, day: date, layout_name: str, types: Mapping[str, str]
) -> pl.DataFrame:
    """`telefones_contato`: usable numbers in the row's order, then the enriched ones by the n that the agency gave."""
    phones = apply_telefones(
        empty("telefones_contato"), contratos, rows, None, day=day, layout_name=layout_name, types=types
    ).frame("telefones_contato")
    members = {"ddd": pl.String(), "numero": pl.String(), "enriquecimento": pl.Int64()}
    numbered = (
        unfold(rows, "telefone", members, ["contrato"])
        .sort("contrato", "lugar")
        .select("contrato", pl.concat_str("ddd", "numero").alias("telefone"), pl.col("enriquecimento").alias("n"))
        .drop_nulls("telefone")
        .unique(["contrato", "telefone"], keep="first")
    )
    enriched = pl.col("enriquecimento").is_not_null()
    return (
        phones.join(numbered, on=["contrato", "telefone"], how="left")
        .with_columns(enriquecimento=pl.col("n"))
        .with_columns(
            origem=pl.when(enriched).then(pl.lit(ENRIQUECIMENTO)).otherwise("origem"),
            tipo=pl.when(enriched).then(pl.format("Enriquecimento {}", "enriquecimento")).otherwise("tipo"),
            enriquecido_em=pl.when(enriched).then(pl.lit(day, pl.Date)).otherwise("enriquecido_em"),
        )
        .sort("contrato", enriched, "enriquecimento", "ordem")
        .with_columns(ordem=place_within("contrato"))
        .select(list(TABLES["telefones_contato"]))
    )


def _is_member(column: str, group: str, member: str) -> bool:
    return column.startswith(f"{group}_") and column.endswith(f"_{member}")


def _places(rows: pl.DataFrame, group: str, member: str) -> list[int]:
    """The repetitions of a group that the layout has."""
    return [int(name.split("_")[1]) for name in rows.columns if _is_member(name, group, member)]


def _fault(rows: pl.DataFrame, field: str, reason: str, wrong: pl.Expr, detail: str) -> pl.DataFrame:
    return rows.filter(wrong.fill_null(False)).select(
        "linha", campo=pl.lit(field), motivo=pl.lit(reason), detalhe=pl.lit(detail)
    )


def _flag(rows: pl.DataFrame, field: str, reason: str, doubtful: pl.Expr) -> pl.DataFrame:
    return _fault(rows, field, reason, doubtful, "").select(list(FLAGS))
