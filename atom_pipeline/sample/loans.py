"""What is owed and on what: instalments, dates, values and the vehicle of each contract, functions of its index.

What belongs here: everything about the loan. Who owes it is in ``people``. Dates and counts agree with each other, so
that the instalments in parcelas are those that remessa counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import cached_property

import numpy as np
import polars as pl

from atom_pipeline.sample.draws import Draws, Floats, Integers
from atom_pipeline.sample.people import CONTRACTS, RENAVAMS, digits, scramble, text_of

EPOCH = date(1970, 1, 1)
TERMS = np.asarray([24, 36, 48, 60], dtype=np.int64)
FRESH = (5, 30), (31, 60), (61, 90), (91, 180), (181, 700)  # days late when the contract is placed
FRESH_WEIGHTS = [35.0, 25.0, 15.0, 15.0, 10.0]
AHEAD = 2  # instalments that are not overdue, at least

# marca, modelo, tipo
VEHICLES = (
    ("VOLKSWAGEN", "GOL 1.0 FLEX", "AUTOMÓVEL"),
    ("VOLKSWAGEN", "VOYAGE 1.6 MSI", "AUTOMÓVEL"),
    ("VOLKSWAGEN", "SAVEIRO CS 1.6", "UTILITÁRIO"),
    ("FIAT", "UNO ATTRACTIVE 1.0", "AUTOMÓVEL"),
    ("FIAT", "STRADA WORKING CD", "UTILITÁRIO"),
    ("FIAT", "ARGO DRIVE 1.0", "AUTOMÓVEL"),
    ("CHEVROLET", "ONIX LT 1.0", "AUTOMÓVEL"),
    ("CHEVROLET", "PRISMA LTZ 1.4", "AUTOMÓVEL"),
    ("CHEVROLET", "S10 LS 2.8 DIESEL", "UTILITÁRIO"),
    ("FORD", "KA SE 1.0", "AUTOMÓVEL"),
    ("FORD", "ECOSPORT FREESTYLE", "AUTOMÓVEL"),
    ("RENAULT", "SANDERO EXPRESSION", "AUTOMÓVEL"),
    ("RENAULT", "DUSTER DYNAMIQUE 1.6", "AUTOMÓVEL"),
    ("HYUNDAI", "HB20 COMFORT 1.0", "AUTOMÓVEL"),
    ("TOYOTA", "COROLLA XEI 2.0", "AUTOMÓVEL"),
    ("TOYOTA", "ETIOS XS SEDÃ", "AUTOMÓVEL"),
    ("HONDA", "CIVIC LXR 2.0", "AUTOMÓVEL"),
    ("HONDA", "CG 160 TITAN", "MOTOCICLETA"),
    ("HONDA", "BIZ 125", "MOTOCICLETA"),
    ("YAMAHA", "FAZER 250", "MOTOCICLETA"),
    ("NISSAN", "VERSA SV 1.6", "AUTOMÓVEL"),
    ("JEEP", "RENEGADE SPORT", "AUTOMÓVEL"),
    ("CITROËN", "C3 TENDANCE", "AUTOMÓVEL"),
    ("MERCEDES-BENZ", "ACCELO 815", "CAMINHÃO"),
)
COLOURS = ("BRANCA", "PRETA", "PRATA", "CINZA", "VERMELHA", "AZUL", "MARROM")
FUELS = ("FLEX", "GASOLINA", "DIESEL", "ETANOL")
CHASSIS_ALPHABET = np.frombuffer(b"0123456789ABCDEFGHJKLMNPRSTUVWXYZ", dtype=np.uint8)


def contract_numbers(indices: Integers, places: int, draws: Draws) -> pl.Series:
    """Contract numbers in canonical form; one in seven starts with zeros, which a spreadsheet eats."""
    varying = min(places, 9)
    number = scramble(indices, 10**varying, CONTRACTS, draws.seed * 31 + 17)
    if places > varying:
        prefix = draws.between(1, 9, indices, "contract prefix") * 10 ** (places - 1)
        number = number + np.where(draws.share(1 / 7, indices, "old contract"), 0, prefix)
    return digits(number, places)


def day_number(day: date) -> int:
    """Days since 1970, as dates are counted here."""
    return (day - EPOCH).days


def month_of(days: Integers) -> Integers:
    """Months since 1970 of days since 1970."""
    return days.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64)


def month_start(months: Integers) -> Integers:
    """Day number of the first day of each month."""
    return months.astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)


def dates(days: Integers) -> pl.Series:
    """Day numbers as dates."""
    return pl.Series(days, dtype=pl.Int32).cast(pl.Date)


@dataclass(frozen=True)
class Loans:
    """The loans behind an array of contract indices, as they are on a day.

    ``placed_on`` is the day the contract was first placed: it was late then, and is later every day. Days are numbers
    since 1970, values cents, rates are hundredths of a percent a month. ``ahead`` instalments, at least, are to come.
    """

    index: Integers
    day: date
    placed_on: Integers
    draws: Draws
    ahead: int = AHEAD

    @cached_property
    def term(self) -> Integers:
        """Instalments of the contract."""
        return TERMS[self.draws.weighted([1.0, 2.0, 4.0, 2.0], self.index, "term")]

    @cached_property
    def due_day(self) -> Integers:
        """Day of the month that instalments fall due."""
        return self.draws.between(1, 28, self.index, "due day")

    @cached_property
    def today(self) -> int:
        return day_number(self.day)

    @cached_property
    def first_open_month(self) -> Integers:
        """Month of the oldest unpaid instalment, due before the contract was placed."""
        band = self.draws.weighted(FRESH_WEIGHTS, self.index, "band")
        low = np.asarray([limits[0] for limits in FRESH], dtype=np.int64)[band]
        high = np.asarray([limits[1] for limits in FRESH], dtype=np.int64)[band]
        late = low + self.draws.below(10_000, self.index, "days late") % (high - low + 1)
        month = month_of(self.placed_on - late)
        not_yet = month_start(month) + self.due_day - 1 >= self.placed_on
        return month - not_yet.astype(np.int64)

    @cached_property
    def open_at_placement(self) -> Integers:
        """Instalments from the oldest unpaid one to the last: more than the months it was late then."""
        months = month_of(self.placed_on) - self.first_open_month
        most = np.maximum(self.term - 1, 1)
        wanted: Integers = np.minimum(months + self.ahead + self.draws.below(7, self.index, "open"), most)
        return wanted

    @property
    def paid(self) -> Integers:
        """Instalments paid, the first ones."""
        return self.term - self.open_at_placement

    def due(self, offset: Integers | int) -> Integers:
        """Due date of the instalment that many after the oldest unpaid one (before it when negative)."""
        return month_start(self.first_open_month + offset) + self.due_day - 1

    @cached_property
    def days_late(self) -> Integers:
        """Days since the oldest unpaid instalment fell due."""
        return self.today - self.due(0)

    @cached_property
    def overdue(self) -> Integers:
        """Instalments due before the day."""
        months = month_of(np.asarray([self.today])) - self.first_open_month
        counted: Integers = np.clip(months + (self.due_day < self.day.day), 1, self.open_at_placement)
        return counted

    @property
    def to_come(self) -> Integers:
        """Unpaid instalments not yet due."""
        return self.open_at_placement - self.overdue

    @cached_property
    def instalment(self) -> Integers:
        return self.draws.between(35_000, 280_000, self.index, "instalment")

    @cached_property
    def rate(self) -> Integers:
        return self.draws.between(99, 299, self.index, "rate")

    @cached_property
    def financed(self) -> Integers:
        rate: Floats = self.rate / 10_000
        return np.rint(self.instalment * (1 - (1 + rate) ** -self.term) / rate).astype(np.int64)

    def fine(self, days_late: Integers) -> Integers:
        """2 % of an instalment that is late."""
        return np.where(days_late > 0, self.instalment * 2 // 100, 0)

    def interest(self, days_late: Integers) -> Integers:
        """1 % a month of an instalment that is late."""
        return self.instalment * np.maximum(days_late, 0) // 3000

    @cached_property
    def charges(self) -> tuple[Integers, Integers]:
        """Fines and interest of all overdue instalments: what their rows in parcelas add up to."""
        fines = np.zeros(len(self.index), dtype=np.int64)
        interest = np.zeros(len(self.index), dtype=np.int64)
        for offset in range(int(self.overdue.max(initial=0))):
            late = self.today - self.due(offset)
            counts = offset < self.overdue
            fines += np.where(counts, self.fine(late), 0)
            interest += np.where(counts, self.interest(late), 0)
        return fines, interest

    @cached_property
    def adjustment(self) -> Integers:
        """What the bank added to, or took off, the oldest instalment; for most contracts nothing."""
        value = self.draws.between(-9_000, 9_000, self.index, "adjustment")
        return np.where(self.draws.share(0.05, self.index, "adjusted"), value, 0)

    @property
    def overdue_value(self) -> Integers:
        return self.instalment * self.overdue

    @property
    def balance(self) -> Integers:
        return self.instalment * self.open_at_placement

    @property
    def signed_on(self) -> Integers:
        """Day of the contract: a month or so before its first instalment."""
        return self.due(-self.paid) - self.draws.between(25, 45, self.index, "signed")

    @cached_property
    def vehicle(self) -> Integers:
        """Position in ``VEHICLES``."""
        return self.draws.below(len(VEHICLES), self.index, "vehicle")

    @cached_property
    def model_year(self) -> Integers:
        signed = month_of(self.signed_on) // 12 + 1970
        return signed - self.draws.below(12, self.index, "age")

    def plate(self) -> pl.Series:
        """Plates of both kinds: AAA0000 and AAA0A00."""
        letters = [65 + self.draws.below(26, self.index, "plate", place) for place in range(4)]
        numbers = [48 + self.draws.below(10, self.index, "plate number", place) for place in range(4)]
        fifth = np.where(self.model_year >= 2019, letters[3], numbers[1])
        return text_of(np.column_stack([*letters[:3], numbers[0], fifth, *numbers[2:]]).astype(np.uint8))

    def chassis(self) -> pl.Series:
        """17 places, without I, O and Q."""
        places = [CHASSIS_ALPHABET[self.draws.below(33, self.index, "chassis", place)] for place in range(13)]
        serial = [48 + self.draws.below(10, self.index, "chassis serial", place) for place in range(3)]
        nine = np.full(len(self.index), ord("9"))
        return text_of(np.column_stack([nine, *places, *serial]).astype(np.uint8))

    def renavam(self) -> pl.Series:
        """11 digits, the last one its check digit."""
        base = 10**9 + scramble(self.index, 10**9, RENAVAMS, self.draws.seed + 5)
        weights = np.asarray([3, 2, 9, 8, 7, 6, 5, 4, 3, 2], dtype=np.int64)
        columns = (base[:, None] // 10 ** np.arange(9, -1, -1, dtype=np.int64)) % 10
        check = (columns @ weights * 10) % 11 % 10
        return digits(base * 10 + check, 11)
