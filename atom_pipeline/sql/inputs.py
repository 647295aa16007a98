"""What a model reads beside the tables of the base: parameters, the block's calendar, what was sent.

Nothing of a single model belongs here: a model takes of this what its SQL names.
"""

from __future__ import annotations

from datetime import date, timedelta

import polars as pl

from atom_pipeline.calendar import is_bank_day
from atom_pipeline.portfolio import Block, Portfolio
from atom_pipeline.rules.state import Schema
from atom_pipeline.waves import HELD

CALENDAR_TABLE = "calendario"
COVERAGE_DAYS = 30  # of a portfolio that does not send messages itself

# Tables that models read and the base does not have: the calendar of a block; what Manager has, from the waves sent.
INPUTS: dict[str, Schema] = {
    CALENDAR_TABLE: {"dia": pl.Date, "util": pl.Boolean, "ordem": pl.Int64},
    "manager_atual": {**HELD},
}


def model_parameters(portfolio: Portfolio, day: date) -> dict[str, object]:
    """Every ``$name`` a model may use: the day, the places of the mailing (R025), the block's length, the faixas, the
    days in which a massive action counts."""
    return {
        "dia": day,
        "lugares": portfolio.telefones.places,
        "lugares_enriquecimento": portfolio.telefones.kept_for_enrichment,
        "dias_bloqueio": portfolio.block.days,
        "faixas_atraso": list(portfolio.faixas_atraso),
        "dias_cobertura": portfolio.massivas.coverage_days if portfolio.massivas else COVERAGE_DAYS,
    }


def calendar_table(first: date, last: date, block: Block) -> pl.DataFrame:
    """Table ``calendario``: dia, util (it counts towards the end of a block), ordem (days that count, up to this one).

    The days that count are the bank's, or all of them when the block is of calendar days (R015). The table begins on
    the oldest ``bloqueado_em`` and ends late enough for a release: 30 calendar days after ``last`` are added.
    """
    end = last + timedelta(days=30 + block.days)
    days = [first + timedelta(days=n) for n in range((end - first).days + 1)]
    counts = [block.calendar == "calendar" or is_bank_day(day) for day in days]
    frame = pl.DataFrame({"dia": days, "util": counts}, schema={"dia": pl.Date, "util": pl.Boolean})
    return frame.with_columns(ordem=pl.col("util").cast(pl.Int64).cum_sum()).select(*INPUTS[CALENDAR_TABLE])
