"""The files of one working day: which come, under which name, at which hour, with which rows.

What belongs here: from events to planned files, by the stage of each layout of the portfolio; a portfolio without a
layout has no such file. Writing and damaging them is in ``files``. Hours follow R015: the evening before for the
bank's placement, about 2 a.m. for acordos and batimento, Tuesdays before the operation for refin.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import date, datetime, time, timedelta

import numpy as np

from atom_pipeline.calendar import WorkingCalendar
from atom_pipeline.errors import ProgramError
from atom_pipeline.layout import names
from atom_pipeline.layout.catalogue import Catalogue
from atom_pipeline.layout.model import FixedFormat, Layout, NamePattern, Stage, Version
from atom_pipeline.sample import stages
from atom_pipeline.sample.events import Acordos, Events, Rows
from atom_pipeline.sample.rowset import Source

EVENING = time(19, 2, 11)
MINUTES = {Stage.REMESSA: 0, Stage.PARCELAS: 8, Stage.GARANTIAS: 13, Stage.EXCLUSAO: 21, Stage.ACORDOS: 26}
COPIED_ON = 1  # the position, of every five days, of the day with copies under other names
NIGHT = time(0, 40, 7)  # the second remessa, already on the day itself
MORNING = {
    Stage.ACORDOS: time(2, 3, 40),
    Stage.BATIMENTO: time(2, 11, 5),
    Stage.TELEFONES: time(5, 30, 0),
    Stage.REFIN: time(6, 5, 12),
    Stage.MASSIVA: time(10, 0, 0),
    Stage.HISTORICO: time(15, 30, 0),
}


@dataclass(frozen=True)
class Planned:
    """A file to write: its layout and name, when the bank made it, its rows chunk by chunk, what is wrong in it.

    ``make`` gives its rows. ``short_rows`` are positions (from 0) of detail rows that are cut short after writing,
    ``eaten_zeros`` strips the zeros on the left of its first column, as a spreadsheet does.
    """

    layout: Layout
    version: Version
    name: str
    stamp: datetime
    make: stages.Maker
    short_rows: tuple[int, ...] = ()
    eaten_zeros: bool = False
    copies: tuple[str, ...] = ()  # other names under which the same bytes come
    refused: dict[str, int] = field(default_factory=dict)  # rows that must be refused, by reason


class Day:
    """Plans one working day of a portfolio."""

    def __init__(self, catalogue: Catalogue, source: Source, events: Events) -> None:
        self.catalogue = catalogue
        self.source = source
        self.events = events
        self.calendar = WorkingCalendar(catalogue.portfolio.operation)

    def plan(self) -> Iterator[Planned]:
        """The day's files in the order in which they arrive."""
        yield from self._remessas()
        yield from self._of(Stage.PARCELAS, lambda v: stages.parcelas(self.source, v, self._day, self.events.enriched))
        yield from self._of(
            Stage.GARANTIAS, lambda v: stages.garantias(self.source, v, self._day, self.events.enriched)
        )
        yield from self._exclusoes()
        yield from self._acordos()
        yield from self._of(
            Stage.BATIMENTO,
            lambda v: stages.batimento(self.source, v, self.events),
            eaten_zeros=self.events.position % 2 == 0,
        )
        if len(self.events.telefones):
            yield from self._of(Stage.TELEFONES, lambda v: stages.telefones(self.source, v, self.events))
        yield from self._plain(Stage.REFIN, self.events.refin)
        yield from self._plain(Stage.MASSIVA, self.events.massiva)
        yield from self._plain(Stage.HISTORICO, self.events.historico)

    @property
    def _day(self) -> date:
        return self.events.day

    def _layouts(self, stage: Stage) -> list[Layout]:
        return [layout for layout in self.catalogue.of_stage(stage) if layout.direction == "in"]

    def _of(self, stage: Stage, make: stages.Maker, *, eaten_zeros: bool = False) -> Iterator[Planned]:
        for layout in self._layouts(stage):
            yield self._planned(layout, make, eaten_zeros=eaten_zeros)

    def _plain(self, stage: Stage, rows: Rows) -> Iterator[Planned]:
        if len(rows):
            yield from self._of(stage, lambda v: stages.messages(self.source, v, self._day, rows))

    def _remessas(self) -> Iterator[Planned]:
        events = self.events
        for layout in self._layouts(Stage.REMESSA):
            short = tuple(int(at) for at in np.searchsorted(events.remessa.contracts, events.short_line))
            fixed = isinstance(layout.version_on(self._day).format, FixedFormat)
            refused = {"CPF_CNPJ": len(events.refused_document), "TAMANHO": len(short) if fixed else 0}
            yield self._planned(
                layout,
                lambda v: stages.remessa(self.source, v, events),
                short_rows=short if fixed else (),
                refused={reason: count for reason, count in refused.items() if count},
            )
            if len(events.late_remessa):
                yield self._planned(
                    layout,
                    lambda v: stages.plain(self.source, v, self._day, events.late_remessa),
                    stamp=self._late_stamp(layout),
                )

    def _exclusoes(self) -> Iterator[Planned]:
        for layout in self._layouts(Stage.EXCLUSAO):
            planned = self._planned(layout, lambda v: stages.exclusao(self.source, v, self._day, self.events.exclusao))
            again = self._name(layout, planned.stamp + timedelta(minutes=1))
            yield replace(planned, copies=(again,)) if self.events.position % 5 == COPIED_ON else planned

    def _acordos(self) -> Iterator[Planned]:
        """The standing list in the delimited layout; some new ones in the positional file of the evening."""
        listed = self.events.acordos
        for layout in self._layouts(Stage.ACORDOS):
            fixed = isinstance(layout.version_on(self._day).format, FixedFormat)
            alone = len(self._layouts(Stage.ACORDOS)) == 1
            some = listed if alone else listed.at(listed.positional if fixed else ~listed.positional)
            if fixed and not alone and not len(some):
                continue
            planned = self._acordos_file(layout, some)
            others = [name for name in layout.names[1:] if not name.excel] if not fixed else []
            if others and self.events.position % 5 == COPIED_ON:  # UC004: the same list comes as _new.txt too
                planned = replace(planned, copies=(self._name(layout, planned.stamp, others[0]),))
            yield planned

    def _acordos_file(self, layout: Layout, some: Acordos) -> Planned:
        return self._planned(layout, lambda v: stages.acordos(self.source, v, self._day, some))

    def _planned(
        self,
        layout: Layout,
        make: stages.Maker,
        *,
        stamp: datetime | None = None,
        short_rows: tuple[int, ...] = (),
        eaten_zeros: bool = False,
        refused: dict[str, int] | None = None,
    ) -> Planned:
        version = layout.version_on(self._day)
        moment = stamp or self._stamp(layout)
        return Planned(
            layout=layout,
            version=version,
            name=self._name(layout, moment),
            stamp=moment,
            make=make,
            short_rows=short_rows,
            eaten_zeros=eaten_zeros,
            refused=refused or {},
        )

    def _stamp(self, layout: Layout) -> datetime:
        """When the bank made the file: with a cutover the evening before, else the morning of the day."""
        if not layout.cutover:
            return datetime.combine(self._day, MORNING.get(layout.stage, NIGHT))
        position = self.events.position
        before = self.calendar.previous(self._day) if position % 2 == 0 else self._day - timedelta(days=1)
        evening = max(EVENING, self.catalogue.portfolio.operation.cutover)
        return datetime.combine(before, evening) + timedelta(minutes=MINUTES.get(layout.stage, 0))

    def _late_stamp(self, layout: Layout) -> datetime:
        """After midnight where the cutover lets it belong to the same day, else later that evening."""
        if not layout.cutover or self.catalogue.portfolio.operation.cutover > NIGHT:
            return datetime.combine(self._day, NIGHT)
        return self._stamp(layout) + timedelta(minutes=45)

    def _name(self, layout: Layout, stamp: datetime, pattern: NamePattern | None = None) -> str:
        """A name by the layout's first pattern; it must mean this working day."""
        ascob = self.catalogue.portfolio.ascob
        name = names.build_name(layout, stamp=stamp, pattern=pattern, ascob=ascob)
        match = names.match_layout(layout, ascob, name)
        if match is None or names.working_day(match, self.catalogue.portfolio, self.calendar) != self._day:
            raise ProgramError(f"{name} does not belong to {self._day:%Y-%m-%d}: the hours do not fit the cutover")
        return name
