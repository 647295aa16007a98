"""What one working day brings: the shape that the world hands to the files.

What belongs here: which contracts each file holds, as arrays of indices, and what a run of the day must find. Why they
are in it is in ``world``.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from enum import IntEnum

import numpy as np

from atom_pipeline.sample.draws import Integers, Mask


class Motive(IntEnum):
    """What kind of motive an acordo row has (R017): which words it is written with is the portfolio's."""

    KNOWN = 0
    WITHOUT_BLOCK = 1
    UNKNOWN = 2


@dataclass(frozen=True)
class Rows:
    """Contracts in the order of a file's rows, each with the version of its registration at that moment."""

    contracts: Integers
    versions: Integers

    def __len__(self) -> int:
        return len(self.contracts)


@dataclass(frozen=True)
class Acordos:
    """Rows of an acordos list: one per contract, acordo and parcela. All arrays have one length."""

    contracts: Integers
    numbers: Integers  # position of the acordo among all acordos of the sample, from 0
    parcelas: Integers
    motives: Integers  # Motive
    since: Integers  # position of the first day it was listed
    until: Integers  # position of the last one
    positional: Mask  # comes in the evening's positional file instead of the standing list

    def __len__(self) -> int:
        return len(self.contracts)

    def at(self, rows: Mask | slice) -> Acordos:
        """Some of the rows: those for which the mask holds, or a slice."""
        return Acordos(*(getattr(self, name)[rows] for name in self.__dataclass_fields__))

    def and_also(self, other: Acordos) -> Acordos:
        """These rows, then the others."""
        columns = ((getattr(self, name), getattr(other, name)) for name in self.__dataclass_fields__)
        return Acordos(*(np.concatenate(pair) for pair in columns))


def no_acordos() -> Acordos:
    empty = np.empty(0, dtype=np.int64)
    return Acordos(empty, empty, empty, empty, empty, empty, np.empty(0, dtype=bool))


@dataclass
class Events:
    """One working day: what each file holds, and what a run of the day must find (contract indices throughout)."""

    day: date
    position: int
    remessa: Rows  # in ascending order
    late_remessa: Rows
    refused_document: Integers  # in the evening's remessa, with a CPF or CNPJ whose digits are wrong
    short_line: Integers  # in the evening's remessa, on a line cut short
    repeated: Integers  # twice in the evening's remessa
    enriched: Rows  # parcelas and garantias
    telefones: Integers
    telefones_of_another: Integers  # in telefones, with the CPF of somebody else
    refin: Rows
    acordos: Acordos
    exclusao: Integers
    batimento: Integers
    other_portfolios: Integers
    massiva: Rows
    historico: Rows
    found: dict[str, Integers] = field(default_factory=dict)  # what the base does: name of the event -> contracts
