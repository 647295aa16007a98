"""What the report of a day is made of: counts and words of a day, and the little that is compared of those before.

Values only. No personal data and no contract is among them; words of people and files are masked by whoever fills them.
Instants are in the portfolio's time zone. Shares are between 0 and 1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime

from atom_pipeline.day import Expected
from atom_pipeline.rules.state import OPEN, Situacao

Counts = Mapping[str, int]


@dataclass(frozen=True)
class FileOfDay:
    """A current file of the day. ``code`` and ``refusal`` say why it was refused whole.

    ``reasons`` are refused rows by reason, ``aside`` rows set aside by a rule, ``flags`` values used and flagged.
    """

    layout: str
    name: str
    status: str
    received: datetime | None
    read: int = 0
    accepted: int = 0
    refused: int = 0
    reasons: Counts = field(default_factory=dict)
    aside: Counts = field(default_factory=dict)
    flags: Counts = field(default_factory=dict)
    version: int = 1
    code: str | None = None
    refusal: str | None = None


@dataclass(frozen=True)
class GuardOfDay:
    """A guard's verdict: what part the step would touch, and the limit. For the remessa the limit is a minimum."""

    guard: str
    held: bool
    released: bool
    message: str
    share: float
    limit: float

    @property
    def waits(self) -> bool:
        return self.held and not self.released


@dataclass(frozen=True)
class WaveOfDay:
    label: str
    kind: str
    status: str
    rows: int
    sent_at: datetime | None
    note: str


@dataclass(frozen=True)
class DecisionOfDay:
    what: str
    author: str
    why: str
    at: datetime


@dataclass(frozen=True)
class Transition:
    """How many contracts a movimento took from one situacao (None: not in the base) to another."""

    movimento: str
    before: str | None
    after: str | None
    contracts: int


@dataclass(frozen=True)
class Totals:
    """The numbers of a day that are kept by ``resumo_dia``: by situacao, by movimento, and of the mailing."""

    day: date
    situacoes: Counts = field(default_factory=dict)
    movimentos: Counts = field(default_factory=dict)
    mailing: int = 0
    without_phone: int = 0

    @property
    def active(self) -> int:
        return self.situacoes.get(Situacao.ATIVO.value, 0)

    @property
    def open_base(self) -> int:
        return sum(self.situacoes.get(one, 0) for one in OPEN)

    @property
    def coverage(self) -> float | None:
        """Part of the ATIVO contracts that has a phone in the mailing; None without any."""
        wanted = self.mailing + self.without_phone
        return self.mailing / wanted if wanted else None


@dataclass(frozen=True)
class LayoutBefore:
    """What the loaded files of a layout were on one of the days before, together.

    ``aside`` are rows set aside, but for those of contracts in the block's window.
    """

    day: date
    read: int
    refused: int
    reasons: Counts = field(default_factory=dict)
    flags: Counts = field(default_factory=dict)
    aside: int = 0


@dataclass(frozen=True)
class Mailing:
    """The mailing of the day. ``by_faixa``: faixa, ATIVO contracts, those of them in the mailing, in the faixas' order.

    ``phones``: contracts by how many phones they have in it, ``kinds``: phones by tipo, ``scores``: phones by score,
    None where there is none. ``left_out``: phones that had no place.
    """

    by_faixa: Sequence[tuple[str, int, int]] = ()
    phones: Mapping[int, int] = field(default_factory=dict)
    kinds: Counts = field(default_factory=dict)
    scores: Mapping[int | None, int] = field(default_factory=dict)
    left_out: int = 0


@dataclass(frozen=True)
class Facts:
    """All that the report of a day is made of. ``history`` and ``layouts_before`` are oldest first, without the day."""

    portfolio: str
    day: date
    made: bool
    complete: bool
    expected: Sequence[Expected] = ()
    files: Sequence[FileOfDay] = ()
    guards: Sequence[GuardOfDay] = ()
    waits: Sequence[str] = ()
    decisions: Sequence[DecisionOfDay] = ()
    waves: Sequence[WaveOfDay] = ()
    not_sent: Sequence[str] = ()
    messages: Counts = field(default_factory=dict)
    totals: Totals | None = None
    transitions: Sequence[Transition] = ()
    history: Sequence[Totals] = ()
    layouts_before: Mapping[str, Sequence[LayoutBefore]] = field(default_factory=dict)
    mailing: Mailing = Mailing()
    base_hash: str = ""
    required: frozenset[str] = frozenset()  # layouts without whose file the carga waits

    @property
    def previous(self) -> Totals | None:
        return self.history[-1] if self.history else None
