"""The phones of contracts: where each came from, and its place in the mailing or why it has none (R023 to R025)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import polars as pl

from atom_pipeline.rules.state import Situacao
from atom_pipeline.rules.telefones import ENRIQUECIMENTO
from resources.ledger_records import Base
from resources.manager import origin
from resources.runtime import PortfolioRuntime

PLACED = "telefones_posicionados"


@dataclass(frozen=True)
class Phone:
    """A phone of the newest base. ``telefone`` is personal data; ``place`` in the mailing, or ``why_not``."""

    telefone: str
    tipo: str | None
    score: int | None
    origem: str
    arquivo: str | None
    linha: int | None
    desde: date | None
    enriquecido_em: date | None
    place: int | None
    why_not: str | None


def phones_of(
    runtime: PortfolioRuntime, base: Base, contratos: Sequence[str], states: Mapping[str, Mapping[str, Any]]
) -> dict[str, list[Phone]]:
    """The phones of each contract in the order of the base."""
    wanted = pl.col("contrato").is_in(list(contratos))
    rows = runtime.lake.scan("telefones_contato", base.day).filter(wanted).collect()
    places = _places(runtime, base, wanted)
    out: dict[str, list[Phone]] = {contrato: [] for contrato in contratos}
    for row in rows.iter_rows(named=True):
        contrato = row["contrato"]
        place = places.get((contrato, row["telefone"])) if places is not None else None
        situacao = states[contrato]["situacao"] if contrato in states else None
        out[contrato].append(
            Phone(
                row["telefone"],
                row["tipo"],
                row["score"],
                row["origem"],
                row["arquivo"],
                row["linha"],
                row["desde"],
                row["enriquecido_em"],
                place,
                None if place is not None else _why_not(runtime, row["origem"], situacao, made=places is not None),
            )
        )
    return out


def _places(runtime: PortfolioRuntime, base: Base, wanted: pl.Expr) -> dict[tuple[str, str], int] | None:
    """(contrato, telefone) to its place; None where the places are not of the base there is."""
    if base.imported or origin(runtime, PLACED, base.day) != base.hash:
        return None
    rows = runtime.lake.scan(PLACED, base.day).filter(wanted & pl.col("lugar").is_not_null())
    return {row[:2]: row[2] for row in rows.select("contrato", "telefone", "lugar").collect().iter_rows()}


def _why_not(runtime: PortfolioRuntime, origem: str, situacao: str | None, *, made: bool) -> str:
    if situacao != Situacao.ATIVO.value:
        return f"the contract is {situacao}"
    if not made:
        return "no mailing of this base"
    places, kept = runtime.portfolio.telefones.places, runtime.portfolio.telefones.kept_for_enrichment
    first, last = (places - kept + 1, places) if origem == ENRIQUECIMENTO else (1, places - kept)
    return f"places {first} to {last} are taken" if first <= last else "no place is for its kind"
