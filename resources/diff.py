"""What changed between two days, from the tables of the lake: see ``atom_pipeline.why.differences``."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import polars as pl

from atom_pipeline.errors import AtomError
from atom_pipeline.why.differences import Difference, difference
from resources.ledger_records import Base
from resources.manager import MAILING, origin
from resources.retention import why_missing
from resources.runtime import PortfolioRuntime

# Over more days than these the events are not read: `motivo` says why a contract is what it is.
MOST_DAYS = 31
_MOVES = pl.Schema({"contrato": pl.String, "movimento": pl.String})


@dataclass(frozen=True)
class DaysDifference:
    """``notes`` say what could not be compared, or is of a base that is behind."""

    first: date
    last: date
    found: Difference
    notes: list[str]


def compare_days(runtime: PortfolioRuntime, first: date, last: date) -> DaysDifference:
    """What changed from the base of ``first`` to that of ``last``.

    Raises AtomError when ``first`` is not before ``last``, or a day has no base or no tables any more.
    """
    if first >= last:
        raise AtomError(f"{first} is not before {last}: the earlier day comes first")
    bases = [_base(runtime, day) for day in (first, last)]
    notes = [
        f"the base of {day} is behind its files: `atom run {day}`" for day in runtime.stale() if day in (first, last)
    ]
    without = [base.day for base in bases if base.imported or origin(runtime, MAILING, base.day) != base.hash]
    # The origins are kept for a shorter time than the mailing.
    without = [day for day in without if not _kept_without_origin(runtime, day)]
    notes += [f"{day} has no mailing of its base: mailings are not compared" for day in without]
    movimentos = _movimentos(runtime, first, last, notes)
    mailings = None if without else (runtime.lake.scan(MAILING, first), runtime.lake.scan(MAILING, last))
    contratos = [runtime.lake.scan("contratos", day) for day in (first, last)]
    return DaysDifference(first, last, difference(contratos[0], contratos[1], movimentos, mailings), notes)


def _base(runtime: PortfolioRuntime, day: date) -> Base:
    base = runtime.ledger.base(day)
    if base is None:
        near = sorted(runtime.ledger.bases(), key=lambda other: abs((other.day - day).days))[:2]
        told = ", ".join(f"{other.day}" for other in sorted(near, key=lambda other: other.day))
        raise AtomError(f"{day} has no base{f'; the nearest are {told}' if told else ': no day is made yet'}")
    gone = None if runtime.lake.exists("contratos", day) else why_missing(runtime, "contratos", day)
    if gone is not None:
        raise AtomError(gone)
    return base


def _kept_without_origin(runtime: PortfolioRuntime, day: date) -> bool:
    """Whether the mailing is there and what it was made of is no longer on record, which is so for older days."""
    base = runtime.ledger.base(day)
    gone = why_missing(runtime, f"etapas/modelo_{MAILING}", day) is not None
    return gone and base is not None and not base.imported and runtime.lake.exists(MAILING, day)


def _movimentos(runtime: PortfolioRuntime, first: date, last: date, notes: list[str]) -> pl.DataFrame:
    """The movimento that changed each contract's situacao last, after ``first`` and up to ``last``."""
    days = [base.day for base in runtime.ledger.bases(first, last) if base.day > first]
    kept = [day for day in days if runtime.lake.exists("movimentos", day)]
    if len(days) > MOST_DAYS or len(kept) < len(days):
        notes.append(
            f"the movimentos of the {len(days)} days are not read: the reason is the contract's present motivo"
        )
        return _MOVES.to_frame()
    changed = pl.col("situacao_antes").ne_missing(pl.col("situacao_depois"))
    found = runtime.lake.search("movimentos", kept, changed)
    if found.is_empty():
        return _MOVES.to_frame()
    return found.unique("contrato", keep="last", maintain_order=True).select("contrato", "movimento")
