"""One field of some rows, and the small makers that most of its meanings are put together from.

What belongs here: what ``client`` and ``contract`` share. Values are natural: reais, percent, dates, text in capitals
with accents; they are made to fit a field afterwards (``values``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from atom_pipeline.layout.model import Field
from atom_pipeline.sample.draws import Draws, Integers
from atom_pipeline.sample.loans import Loans
from atom_pipeline.sample.people import CITIES, People, choose, digits
from atom_pipeline.sample.rowset import Rowset


@dataclass(frozen=True)
class Column:
    """One field of some rows: of the first, second, ... phone or address where ``place`` says so."""

    rows: Rowset
    field: Field
    place: int = 1

    @property
    def contracts(self) -> Integers:
        return self.rows.contracts

    @property
    def people(self) -> People:
        return self.rows.people

    @property
    def loans(self) -> Loans:
        return self.rows.loans

    @property
    def draws(self) -> Draws:
        return self.rows.draws


Maker = Callable[[Column], pl.Series]


def reais(cents: Integers) -> pl.Series:
    """Cents as reais."""
    return pl.Series(cents / 100)


def one_of(values: Sequence[str], what: str) -> Maker:
    """One of some texts, by contract."""
    pool = pl.Series(list(values), dtype=pl.String)
    return lambda of: choose(pool, of.draws.below(len(pool), of.contracts, what, of.field.name))


def always(value: str) -> Maker:
    """The same text in every row."""
    return lambda of: pl.repeat(value, len(of.rows), dtype=pl.String, eager=True)


def whole(low: int, high: int) -> Maker:
    """A whole number from low to high, by contract."""
    return lambda of: pl.Series(of.draws.between(low, high, of.contracts, "whole", of.field.name))


def amount(low: int, high: int) -> Maker:
    """A value with two decimals between two whole numbers, by contract."""
    return lambda of: reais(of.draws.between(low * 100, high * 100, of.contracts, "amount", of.field.name))


def code(width: int) -> Maker:
    """A number of that many digits as text, by contract."""
    return lambda of: digits(of.draws.between(1, 10**width - 1, of.contracts, "code", of.field.name), width)


def yes(share: float) -> Maker:
    """S for that share of the contracts, N for the others."""
    return lambda of: choose(
        pl.Series(["N", "S"]), of.draws.share(share, of.contracts, "yes", of.field.name).astype(np.int64)
    )


def city(part: int) -> Maker:
    """Name (0) or state (1) of the city of the address."""
    pool = pl.Series([entry[part] for entry in CITIES])
    return lambda of: choose(pool, of.people.cities_of(of.place))
