"""The vocabulary of ``portfolio.yaml``: what is decided per creditor's portfolio, and never in code.

Only shape belongs here. Which layouts exist beside it, and whether the names used here are among them, is checked in
``layout.catalogue``.
"""

from __future__ import annotations

from datetime import date, time
from enum import StrEnum
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, model_validator
from pydantic import Field as Key

from atom_pipeline.layout.model import FIELD_NAME, Day, Strict

Share = Annotated[float, Key(ge=0, le=1)]
Name = Annotated[str, Key(pattern=FIELD_NAME)]


def _hour_and_minute(value: object) -> object:
    """An hour in a document is HH:MM; a bare number would be taken for seconds."""
    if isinstance(value, str) and ":" not in value:
        raise ValueError("an hour is written HH:MM")
    return value


Clock = Annotated[time, BeforeValidator(_hour_and_minute)]


class Operation(Strict):
    """Which days operate. What falls on another day rolls forward to the next one (DESIGN section 4)."""

    start: Day  # the first partition
    weekdays: tuple[Annotated[int, Key(ge=1, le=7)], ...] = (1, 2, 3, 4, 5)  # ISO: Monday is 1
    bank_holidays: Literal["closed", "open"] = "closed"  # the ANBIMA calendar
    timezone: str = "America/Sao_Paulo"
    cutover: Clock = time(12, 0)  # a file stamped at or after it belongs to the next working day


class BlockBy(StrEnum):
    CONTRATO = "contrato"
    CLIENTE = "cliente"


class Block(Strict):
    """The stand-by after a settled acordo (R015, R019, R020)."""

    by: BlockBy = BlockBy.CONTRATO
    days: Annotated[int, Key(ge=1, le=30)] = 3  # the last day of the window, counted from the block's day (0)
    calendar: Literal["bank", "calendar"] = "bank"
    motives_known: tuple[str, ...] = ()  # motives of acordos (R017) that block
    motives_without_block: tuple[str, ...] = ()  # broken or cancelled: recorded, they do not block


class Guards(Strict):
    """Shares above which a step is held until an operator releases it (DESIGN section 5)."""

    max_baixa_batimento: Share = 0.30  # contracts closed / open base
    max_exclusao: Share = 0.30  # contracts retired / open base
    max_acordos: Share = 0.30  # contracts newly blocked / open base
    min_remessa: Share = 0.50  # rows of the remessa / median of the last ones
    remessas_compared: Annotated[int, Key(ge=1)] = 5
    max_baixa_sem_telefone: Share = 0.30  # baixas of contracts without a phone or not in the base / what Manager has
    smallest_base: Annotated[int, Key(ge=0)] = 20  # below this many open contracts shares mean nothing


class Expectation(Strict):
    """A file that the day expects: any one of these layouts fulfils it."""

    name: Name
    any_of: Annotated[tuple[Name, ...], Key(min_length=1)]
    weekdays: tuple[Annotated[int, Key(ge=1, le=7)], ...] = (1, 2, 3, 4, 5, 6, 7)
    of_the_day: bool = False  # only files stamped on the day itself count, not those of the evening before
    due: Clock | None = None  # local time after which it is late
    due_day: Literal["before", "same"] = "same"  # the evening before D, or on D itself
    required_for_carga: bool = False
    waived_by: Literal["no-acordos", "no-remessa"] | None = None  # the decision that stands in for the file


class Telefones(Strict):
    """Places of the mailing (R025)."""

    places: Annotated[int, Key(ge=1)] = 10
    kept_for_enrichment: Annotated[int, Key(ge=0)] = 3


class Batimento(Strict):
    """Which rows of the batimento are this portfolio's (R016, R022), and what it waits for (R021)."""

    carteiras: tuple[str, ...] = ()  # empty: every value
    cod_assessoria: tuple[str, ...] = ()
    waits_for: tuple[Name, ...] = ()  # expectations that must have a loaded file on the day


class Publication(Strict):
    """When Manager's files go out (DESIGN section 6)."""

    carga_deadline: Clock = time(6, 30)


class Report(Strict):
    """What the report of a day compares, and from where on it says so (docs/report.md)."""

    history_days: Annotated[int, Key(ge=2, le=250)] = 30  # working days in the chart of the base
    compared_days: Annotated[int, Key(ge=1, le=30)] = 5  # working days before it that a day is compared with
    near_limit: Annotated[float, Key(gt=0, le=1)] = 0.8  # a step that came this near to its guard's limit
    rejects_factor: Annotated[float, Key(ge=1)] = 3.0  # refused rows, as a share: times the median of the days before
    rejects_share: Share = 0.01  # and at least this share of the rows
    smallest_rejects: Annotated[int, Key(ge=1)] = 5  # fewer refused, set aside or flagged rows are not told
    remessa_change: Share = 0.25  # rows of the remessa against the median of the days before
    coverage_fall: Share = 0.02  # contracts with a phone, as a share: fall against the median of the days before
    attach_to_alarms: bool = False  # the report of the day goes with an alarm's e-mail


class Retention(Strict):
    """For how many days each thing is kept, counted back from today; without a number it is kept for ever.

    What a day needs that must be made, or that can still be made again, is kept beyond that.
    """

    steps: Annotated[int, Key(ge=7)] | None = None  # tables of the lake that only their own day's run reads
    archive: Annotated[int, Key(ge=7)] | None = None  # collected files: for so long a day can be made again
    base: Annotated[int, Key(ge=7)] | None = None  # the base's tables and the models
    waves: Annotated[int, Key(ge=7)] | None = None  # rows and files of what was sent to Manager
    errors: Annotated[int, Key(ge=7)] | None = None  # error files in the drop
    runs: Annotated[int, Key(ge=7)] | None = None  # Dagster's runs with their events and logs

    @model_validator(mode="after")
    def _a_day_made_again_has_its_base(self) -> Self:
        for name in ("base", "waves"):
            days = getattr(self, name)
            if days is not None and (self.archive is None or days < self.archive):
                raise ValueError(f"`{name}` is kept at least as long as `archive`: a day made again needs it")
        return self


Weekdays = tuple[Annotated[int, Key(ge=1, le=7)], ...]  # ISO: Monday is 1
Seconds = Annotated[float, Key(gt=0)]


class MassivaHours(Strict):
    """Hours in which messages may go, in the time of the state where the person is."""

    weekdays: Annotated[Weekdays, Key(min_length=1)]
    start: Clock
    end: Clock

    @model_validator(mode="after")
    def _begins_before_it_ends(self) -> Self:
        if self.start >= self.end:
            raise ValueError("`start` comes before `end`, on the same day")
        return self


class MassivaState(Strict):
    """What differs in a state: hours in place of the portfolio's, and days on which nothing goes there."""

    hours: tuple[MassivaHours, ...] | None = None
    closed_days: tuple[Day, ...] = ()


class MassivaRetry(Strict):
    """Which answers say that OMNE did not take the message, and how often it is tried (FAULTS 38)."""

    attempts: Annotated[int, Key(ge=1, le=20)] = 5
    first_wait_seconds: Seconds = 2.0  # then twice as long each time
    longest_wait_seconds: Seconds = 300.0  # a longer Retry-After is honoured all the same
    statuses: tuple[int, ...] = (429, 500, 503)
    stop_statuses: tuple[int, ...] = (401, 403, 404, 405, 407)  # the token, the address: nothing would be taken


class MassivaBreaker(Strict):
    """When sending stops because OMNE fails massively."""

    window: Annotated[int, Key(ge=2)] = 50  # outcomes that count
    at_least: Annotated[int, Key(ge=1)] = 10  # fewer mean nothing
    failures: Annotated[float, Key(gt=0, le=1)] = 0.5  # share of them that opens it
    pause_seconds: Seconds = 60.0  # then one message is tried
    openings: Annotated[int, Key(ge=1)] = 3  # in one run; then the run ends, and the next one goes on


class Massivas(Strict):
    """How WhatsApp messages are sent through OMNE (R030 to R033, UC013, UC014)."""

    templates: Annotated[dict[str, int], Key(min_length=1)]  # OMNE's template by jornada
    open_attendance: bool = False
    force_close: bool = False
    concurrency: Annotated[int, Key(ge=1, le=500)] = 20  # requests on their way at once
    rate_per_second: Annotated[float, Key(gt=0)] = 20.0
    timeout_seconds: Seconds = 20.0  # for an answer; what has none by then is uncertain
    slice_minutes: Annotated[float, Key(gt=0, le=60)] = 5.0  # of one run, so that the day can be made in between
    hours: Annotated[tuple[MassivaHours, ...], Key(min_length=1)]
    bank_holidays: Literal["closed", "open"] = "closed"
    closed_days: tuple[Day, ...] = ()
    states: dict[Annotated[str, Key(pattern="^[A-Z]{2}$")], MassivaState] = Key(default_factory=dict)
    retry: MassivaRetry = MassivaRetry()
    breaker: MassivaBreaker = MassivaBreaker()
    coverage_days: Annotated[int, Key(ge=1)] = 30  # a contract counts as reached by a message of these many days
    history_days: Annotated[int, Key(ge=1)] = 365  # of marks kept in `marcacoes`

    def hours_of(self, uf: str) -> tuple[MassivaHours, ...]:
        """The hours of a state: its own, or the portfolio's."""
        own = self.states[uf].hours if uf in self.states else None
        return self.hours if own is None else own

    def closed_days_of(self, uf: str) -> tuple[date, ...]:
        """Days on which nothing goes to a state, beside weekdays and bank holidays."""
        return (*self.closed_days, *(self.states[uf].closed_days if uf in self.states else ()))


class Campaign(Strict):
    """The campaign at the CRM (R001)."""

    id: int
    name: str


class Portfolio(Strict):
    """One creditor's portfolio: the document ``portfolio.yaml`` of a layouts folder."""

    portfolio: Name
    title: str
    description: str
    prefix: Name | None = None  # a folder of its own in lake and archive; one portfolio may have none
    creditor: str
    ascob: str  # the agency's id at the bank
    campaign: Campaign
    owners: tuple[str, ...] = ()
    operation: Operation
    contrato_digits: Annotated[int, Key(ge=1)] | None = None  # canonical length: a spreadsheet eats leading zeros
    contratos_columns: tuple[Name, ...] = ()  # remessa fields carried in `contratos` for the mailing and the models
    faixas_atraso: tuple[int, ...] = (30, 60, 90, 120, 180, 360)  # upper ends, in days
    block: Block = Block()
    guards: Guards = Guards()
    expects: tuple[Expectation, ...] = ()
    batimento: Batimento = Batimento()
    telefones: Telefones = Telefones()
    publication: Publication = Publication()
    report: Report = Report()
    retention: Retention = Retention()
    massivas: Massivas | None = None  # without it no message is sent
