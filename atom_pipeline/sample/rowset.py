"""The rows of one chunk of one file: whose contract each row is, and all that can be asked about it.

What belongs here: from contract indices to people, loans and contract numbers, by one rule everywhere, so that files
agree with each other. Nothing here knows a layout.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from functools import cached_property

import numpy as np
import polars as pl

from atom_pipeline.portfolio import Portfolio
from atom_pipeline.sample.draws import Draws, Integers
from atom_pipeline.sample.loans import AHEAD, Loans, contract_numbers, day_number
from atom_pipeline.sample.people import People, Pools, make_pools

CONTRACT_DIGITS = 10  # where the portfolio does not say
# whose each of four neighbouring contracts is: mostly four people, sometimes one with several
OWNERS = np.asarray([[0, 1, 2, 3], [0, 0, 2, 3], [0, 1, 1, 3], [0, 0, 0, 3], [0, 0, 0, 0]], dtype=np.int64)
OWNER_WEIGHTS = [60.0, 18.0, 12.0, 7.0, 3.0]


@dataclass(frozen=True)
class Rowset:
    """Rows of one file, one per entry of ``contracts`` (indices; a contract may have several rows).

    ``given`` holds columns that the file's builder decides itself (the number of an instalment, a motive), by field
    name, in natural values; they stand before any other meaning of the name.
    """

    contracts: Integers
    people: People
    loans: Loans
    number: pl.Series
    draws: Draws
    portfolio: Portfolio
    given: dict[str, pl.Series] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.contracts)

    @property
    def day(self) -> date:
        return self.loans.day

    def about(self, people: People) -> Rowset:
        """The same contracts, seen from other people (a guarantor)."""
        return Rowset(self.contracts, people, self.loans, self.number, self.draws, self.portfolio)


@dataclass(frozen=True)
class Source:
    """What does not change from file to file: seed, lists of names, when each contract was placed."""

    portfolio: Portfolio
    seed: int
    days: tuple[date, ...]
    initial: int
    arrivals: int
    ahead: int = AHEAD

    @cached_property
    def draws(self) -> Draws:
        return Draws(self.seed)

    @cached_property
    def pools(self) -> Pools:
        return make_pools(self.seed)

    def placed_on(self, contracts: Integers) -> Integers:
        """The day of a contract's first remessa (the first day for those that never had one)."""
        position = 1 + (contracts - self.initial) // max(self.arrivals, 1)
        known = (contracts >= self.initial) & (position < len(self.days))
        return np.asarray([day_number(day) for day in self.days], dtype=np.int64)[np.where(known, position, 0)]

    def owners(self, contracts: Integers) -> Integers:
        """Index of the person whose contract it is: some people have two, three or four."""
        four = contracts // 4
        pattern = self.draws.weighted(OWNER_WEIGHTS, four, "owners")
        return four * 4 + OWNERS[pattern, contracts % 4]

    def numbers(self, contracts: Integers) -> pl.Series:
        """Contract numbers in canonical form."""
        return contract_numbers(contracts, self.portfolio.contrato_digits or CONTRACT_DIGITS, self.draws)

    def rows(self, contracts: Integers, day: date, versions: Integers | None = None, **given: pl.Series) -> Rowset:
        """The rows of those contracts as they are on a day."""
        version = np.zeros(len(contracts), dtype=np.int64) if versions is None else versions
        return Rowset(
            contracts=contracts,
            people=People(self.owners(contracts), version, self.draws, self.pools),
            loans=Loans(contracts, day, self.placed_on(contracts), self.draws, self.ahead),
            number=self.numbers(contracts),
            draws=self.draws,
            portfolio=self.portfolio,
            given=given,
        )
