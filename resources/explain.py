"""Why a contract is where it is: its life, its phones and acordos, what Manager was told, and all that in words.

Read from the lake and the ledger; nothing is decided here. Years of days are searched at once (``Lake.search``), and of
the base only the newest one is read. Phones and documents are personal data: who shows a story masks them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

import polars as pl

from atom_pipeline.errors import AtomError
from atom_pipeline.identity import CNPJ_LENGTH, CPF_LENGTH, canonical_contrato, canonical_document
from atom_pipeline.retention import Part
from atom_pipeline.why.life import Event
from atom_pipeline.why.standing import Facts, sentences
from resources.day_facts import looking
from resources.explain_events import events_of
from resources.explain_holdings import Phone, phones_of
from resources.explain_standing import facts_of
from resources.ledger_records import Base
from resources.runtime import PortfolioRuntime


@dataclass(frozen=True)
class Story:
    """The life of a contract, oldest event first, and where it stands. ``state`` is its row of the newest base.

    ``why`` says in words why it is or is not in the mailing; ``forgotten`` of which days nothing can be told, since
    their tables were removed by age.
    """

    contrato: str
    state: dict[str, Any] | None
    events: list[Event]
    phones: list[Phone]
    acordos: list[dict[str, Any]]
    facts: Facts
    forgotten: list[str]

    @property
    def why(self) -> list[str]:
        return sentences(self.facts)


def explain_contrato(runtime: PortfolioRuntime, contrato: str) -> Story | None:
    """The story of a contract, given in any form (zeros on the left or not); None when nothing is known of it."""
    digits = runtime.portfolio.contrato_digits
    wanted = pl.select(canonical_contrato(pl.lit(contrato.strip()), digits)).item()
    stories = explain(runtime, [wanted]) if wanted else []
    return stories[0] if stories else None


def explain(runtime: PortfolioRuntime, contratos: Sequence[str]) -> list[Story]:
    """The stories of contracts (canonical numbers) of which something is known. Raises TableMissing."""
    look = looking(runtime)
    base = look.ledger.newest_base()
    if base is None or not contratos:
        return []
    events = events_of(look, contratos)
    states = {row["contrato"]: row for row in _rows(look, "contratos", base, contratos)}
    acordos = _rows(look, "acordos", base, contratos)
    phones = phones_of(look, base, contratos, states)
    forgotten = _forgotten(look)
    return [
        Story(
            contrato,
            states.get(contrato),
            events[contrato],
            phones[contrato],
            [row for row in acordos if row["contrato"] == contrato],
            facts_of(look, base, contrato, states.get(contrato), events[contrato], phones[contrato]),
            forgotten,
        )
        for contrato in contratos
        if events[contrato] or contrato in states
    ]


def contratos_of_client(runtime: PortfolioRuntime, document: str) -> list[str]:
    """The contracts of the newest base whose client has this CPF or CNPJ, written in any way. Raises AtomError."""
    wanted = pl.select(canonical_document(pl.lit(document))).item()
    if wanted is None or len(wanted) not in (CPF_LENGTH, CNPJ_LENGTH):
        raise AtomError("that is no CPF or CNPJ: it has 11 digits, or 14 characters")
    return _contratos(runtime, "contratos", canonical_document(pl.col("cpf_cnpj")) == wanted)


def contratos_with_phone(runtime: PortfolioRuntime, phone: str) -> list[str]:
    """The contracts of the newest base that have this phone, with its DDD, written in any way. Raises AtomError."""
    digits = "".join(character for character in phone if character.isdigit()).lstrip("0")
    if len(digits) > 11 and digits.startswith("55"):
        digits = digits[2:]
    if len(digits) not in (10, 11):
        raise AtomError("that is no phone with its DDD: it has 10 or 11 digits")
    return _contratos(runtime, "telefones_contato", pl.col("telefone") == digits)


def _contratos(runtime: PortfolioRuntime, table: str, wanted: pl.Expr) -> list[str]:
    base = runtime.ledger.newest_base()
    if base is None:
        return []
    found = runtime.lake.scan(table, base.day).filter(wanted).select("contrato").unique().collect()
    return found["contrato"].sort().to_list()


def _rows(runtime: PortfolioRuntime, table: str, base: Base, contratos: Sequence[str]) -> list[dict[str, Any]]:
    mine = runtime.lake.scan(table, base.day).filter(pl.col("contrato").is_in(list(contratos)))
    return mine.collect().to_dicts()


def _forgotten(runtime: PortfolioRuntime) -> list[str]:
    told = {Part.BASE: "what happened to a contract", Part.WAVES: "what was sent"}
    before: dict[Part, date | None] = {part: runtime.ledger.pruned_before(part) for part in told}
    return [f"{told[part]} before {day:%Y-%m-%d} is no longer kept" for part, day in before.items() if day is not None]
