"""What happens to the contracts of a sample, day by day: who is placed, settles, leaves and returns.

What belongs here: events, as arrays of contract indices, and the state they leave. What a row looks like is in
``fields``, which files a day has is in ``days``. The bank's side (placed, paid, taken back) drives the events; the
agency's side is followed by DESIGN section 5's table (blocking by contract), so that each event is drawn among the
contracts it can happen to and the report can say what a run must find. Every array has one entry per contract ever
made; rows are made later, in chunks.
"""

from __future__ import annotations

from datetime import date
from enum import IntEnum

import numpy as np

from atom_pipeline.calendar import block_window
from atom_pipeline.layout.model import Stage
from atom_pipeline.portfolio import Block
from atom_pipeline.sample.draws import Draws, Integers, Mask
from atom_pipeline.sample.events import Acordos, Events, Motive, Rows, no_acordos

LAST_ROWS = 20_000  # spoiled rows are near the end of the file, so that little of it is written again
UNKNOWN_FROM = 40_000_000  # indices of contracts that no remessa ever brought
OTHERS_FROM = 60_000_000  # indices of contracts of another carteira or another assessoria
NEVER = 32_000  # a day's position that does not come

ARRIVALS = 0.022  # shares of the portfolio a day
LATE_ARRIVALS = 0.15  # of the arrivals: they come in the file after midnight
UPDATES = 0.03
LATE_UPDATES = 0.1  # of the updates: in both files, the later one with the newer registration
SETTLEMENTS = 0.015
RETIREMENTS = 0.007
CLOSURES = 0.015
ENRICHED_PHONES = 0.02
REFINANCING = 0.15
MESSAGES = 0.01
HISTORIES = 0.02


class Situation(IntEnum):
    """The base's side; NONE is a contract that the base does not know."""

    NONE = 0
    ATIVO = 1
    BLOQUEIO_PARCIAL = 2
    RETIRADO = 3
    BAIXADO = 4


def arrivals_a_day(contracts: int) -> int:
    """How many new contracts a portfolio of that size gets each day after the first."""
    return _share_of(contracts, ARRIVALS)


def _share_of(contracts: int, share: float) -> int:
    """How many contracts a share of the portfolio is: at least one in a portfolio of 20 or more."""
    return max(round(share * contracts), int(contracts >= 20))


class World:
    """The state of every contract of a sample. ``next_day`` moves it on and tells what happened."""

    def __init__(self, contracts: int, days: int, draws: Draws, block: Block, *, all_enriched: bool = False) -> None:
        self.initial = contracts
        self.all_enriched = all_enriched  # every evening, not only those that came or changed
        self.arrivals = arrivals_a_day(contracts)
        total = contracts + self.arrivals * max(days - 1, 0)
        self.draws = draws
        self.block = block
        self.known_to_bank = 0  # contracts 0..known_to_bank-1 were placed at least once
        self.placed = np.zeros(total, dtype=bool)
        self.version = np.zeros(total, dtype=np.int16)
        self.situation = np.zeros(total, dtype=np.int8)
        self.blocked_on = np.full(total, date.min.toordinal(), dtype=np.int32)
        self.leaves_at = np.full(total, NEVER, dtype=np.int16)
        self.returns_at = np.full(total, NEVER, dtype=np.int16)
        self.arrived_at = np.zeros(total, dtype=np.int16)
        self.listed = no_acordos()
        self.acordos_made = 0

    def _count(self, share: float) -> int:
        return _share_of(self.initial, share)

    def _in(self, mask: Mask) -> Integers:
        return np.flatnonzero(mask).astype(np.int64)

    def _rows(self, contracts: Integers) -> Rows:
        """The contracts with their present versions; those never placed have the first."""
        inside = contracts < len(self.version)
        return Rows(contracts, np.where(inside, self.version[np.where(inside, contracts, 0)], 0).astype(np.int64))

    def _unknown(self, what: str, position: int) -> Integers:
        """Contracts that were never placed: other ones in each file, the same for days on end."""
        count = max(self._count(0.001) // 2, int(self.initial >= 20))
        first = UNKNOWN_FROM + int(self.draws.below(1_000_000, np.asarray([0]), "unknown", what)[0])
        return first + position // 3 + np.arange(count, dtype=np.int64)

    def next_day(self, day: date, position: int) -> Events:
        """What the files of a working day say. Days must be asked for in order, positions from 0."""
        window = block_window(day, self.block).toordinal()
        pick = self.draws.pick
        self._arrive_and_leave(position)
        before = self._in(self.placed & (self.arrived_at < position)) if position else np.empty(0, dtype=np.int64)
        arrived = self._in(self.placed & (self.arrived_at == position))
        returned = self._in(self.placed & (self.returns_at == position))
        retired = self._choose_exclusao(position, window)

        updated = pick(self._count(UPDATES) if position else 0, before, "updates", position)
        late = pick(round(LATE_UPDATES * len(updated)) or int(len(updated) > 1), updated, "late updates", position)
        late_arrived = pick(round(LATE_ARRIVALS * len(arrived)), arrived, "late", position) if position else late[:0]
        self.version[np.setdiff1d(updated, late)] += 1
        evening = self._rows(np.setdiff1d(self._in(self.placed), late_arrived))
        self.version[late] += 1
        late_rows = self._rows(np.union1d(late, late_arrived))
        spoiled = self._spoil(evening, late_rows, position)
        refused = np.concatenate(spoiled[:2])

        found: dict[str, Integers] = {}
        accepted = np.union1d(np.setdiff1d(evening.contracts, refused), late_rows.contracts)
        self._apply_remessa(accepted, window, found)
        enriched = np.union1d(np.union1d(arrived, updated), returned)
        if self.all_enriched:
            enriched = self._in(self.placed)
        events = Events(
            day=day,
            position=position,
            remessa=evening,
            late_remessa=late_rows,
            refused_document=spoiled[0],
            short_line=spoiled[1],
            repeated=spoiled[2],
            enriched=self._rows(np.concatenate([enriched, self._unknown("enriched", position)])),
            telefones=self._sometimes(position % 3 != 2, ENRICHED_PHONES, "telefones", position),
            telefones_of_another=enriched[:0],
            refin=self._rows(self._sometimes(day.isoweekday() == 2, REFINANCING, "refin", position)),
            acordos=self._list_acordos(position, found, day),
            exclusao=retired,
            batimento=enriched[:0],
            other_portfolios=OTHERS_FROM + np.arange(self._count(0.01), dtype=np.int64),
            massiva=self._rows(self._sometimes(position % 2 == 0, MESSAGES, "massiva", position)),
            historico=self._rows(self._sometimes(position % 2 == 1, HISTORIES, "historico", position)),
            found=found,
        )
        known = events.telefones[events.telefones < UNKNOWN_FROM]
        events.telefones_of_another = pick(len(known) // 40 or int(len(known) > 1), known, "another", position)
        self._apply_exclusao(retired, found)
        events.batimento = self._batimento(position, window, found)
        self._find_unknown(events)
        return events

    def _find_unknown(self, events: Events) -> None:
        """The rows about contracts that the base does not know: never placed, or refused in their first remessa."""
        stages = {
            Stage.PARCELAS: events.enriched.contracts,
            Stage.GARANTIAS: events.enriched.contracts,
            Stage.TELEFONES: events.telefones,
            Stage.REFIN: events.refin.contracts,
            Stage.ACORDOS: np.unique(events.acordos.contracts),
            Stage.EXCLUSAO: events.exclusao,
            Stage.BATIMENTO: events.batimento,
            Stage.MASSIVA: events.massiva.contracts,
        }
        for stage, contracts in stages.items():
            placed = contracts < len(self.situation)
            known = placed & (self.situation[np.where(placed, contracts, 0)] != Situation.NONE)
            events.found[f"CONTRATO_FORA_DA_BASE {stage}"] = contracts[~known]

    def _arrive_and_leave(self, position: int) -> None:
        """The bank's evening: new placements, paid contracts that leave, contracts that return."""
        first = self.known_to_bank
        self.known_to_bank = self.initial + self.arrivals * position
        self.placed[first : self.known_to_bank] = True
        self.arrived_at[first : self.known_to_bank] = position
        self.placed[self.leaves_at == position] = False
        self.placed[self.returns_at == position] = True

    def _choose_exclusao(self, position: int, window: int) -> Integers:
        """Contracts the bank takes back tonight; most are left out of tonight's remessa, some are still in it."""
        pick = self.draws.pick
        if not position:
            return self._unknown("exclusao", position)
        blocked = self._in(self.placed & (self.blocked_on >= window))
        inside = pick(max(self._count(RETIREMENTS) // 10, int(self.initial >= 20)), blocked, "blocked", position)
        others = self._in(self.placed & (self.situation == Situation.ATIVO) & (self.returns_at != position))
        taken = pick(self._count(RETIREMENTS), others, "exclusao", position)
        self._send_back(taken, 0.5, 4, "return", position)
        self._send_back(inside, 1.0, 2, "return inside", position)
        few = max(self._count(RETIREMENTS) // 20, int(self.initial >= 100))
        again = pick(few, self._in(self.situation == Situation.RETIRADO), "again", position)
        leaving = np.union1d(taken, inside)
        self.placed[leaving] = False
        self.placed[pick(len(leaving) // 10, leaving, "still in the remessa", position)] = True
        return np.concatenate([np.union1d(leaving, again), self._unknown("exclusao", position)])

    def _send_back(self, contracts: Integers, share: float, days: int, what: str, position: int) -> None:
        """Let a share of the contracts be placed again, 1 to ``days`` days from now."""
        comes_back = self.draws.share(share, contracts, what, position)
        later = position + self.draws.between(1, days, contracts, what, "day", position)
        self.returns_at[contracts] = np.where(comes_back, later, NEVER)

    def _spoil(self, evening: Rows, late: Rows, position: int) -> tuple[Integers, Integers, Integers]:
        """Rows of the evening's remessa with a wrong document, cut short, and repeated: far fewer than 5 %."""
        candidates = np.setdiff1d(evening.contracts, late.contracts)[-LAST_ROWS:]
        each = max(len(evening) // 20_000, 1)
        kinds = (
            3 if len(evening) >= 150 else int(len(evening) >= 50)
        )  # a small file has one kind a day, a tiny one none
        chosen = self.draws.pick(each * kinds, candidates, "spoiled", position)
        order = np.argsort(self.draws.words(chosen, "kind", position), kind="stable")
        parts = [chosen[order][start * each : (start + 1) * each] for start in range(3)]
        turn = position % 3 if kinds == 1 else 0
        turned = parts[-turn:] + parts[:-turn] if turn else parts
        return np.sort(turned[0]), np.sort(turned[1]), np.sort(turned[2])

    def _apply_remessa(self, contracts: Integers, window: int, found: dict[str, Integers]) -> None:
        situation = self.situation[contracts]
        inside = self.blocked_on[contracts] >= window
        free = contracts[~inside]
        found["IGNORADO_BLOQUEIO"] = contracts[inside]
        back = ~inside & (situation == Situation.BLOQUEIO_PARCIAL)
        found["ALTA"] = contracts[~inside & (situation == Situation.NONE) | back]
        found["ALTA de bloqueio"] = contracts[back]
        found["REATIVACAO"] = contracts[~inside & (situation >= Situation.RETIRADO)]
        self.situation[free] = Situation.ATIVO

    def _list_acordos(self, position: int, found: dict[str, Integers], day: date) -> Acordos:
        """Tonight's new acordos join the standing list; what is still listed is written again."""
        new = self._new_acordos(position)
        self.listed = self.listed.at(self.listed.until >= position).and_also(new)
        inside = new.contracts < UNKNOWN_FROM
        effective = np.unique(new.contracts[inside & (new.motives != Motive.WITHOUT_BLOCK)])
        situation = self.situation[effective]
        is_open = (situation == Situation.ATIVO) | (situation == Situation.BLOQUEIO_PARCIAL)
        found["BLOQUEIO"] = effective[is_open]
        found["ACORDO_REGISTRADO"] = effective[situation >= Situation.RETIRADO]
        self.situation[effective[is_open]] = Situation.BLOQUEIO_PARCIAL
        self.blocked_on[effective[situation != Situation.NONE]] = day.toordinal()
        keeps_coming = self.draws.between(1, 5, effective, "keeps coming", position)  # 4 and 5: for good
        self.leaves_at[effective] = np.where(keeps_coming < 4, position + 1 + keeps_coming, NEVER)
        return self.listed

    def _new_acordos(self, position: int) -> Acordos:
        pick = self.draws.pick
        wanted = self._count(SETTLEMENTS)
        settled = pick(wanted, self._in(self.situation == Situation.ATIVO), "acordo", position)
        few = max(wanted // 20, int(self.initial >= 100))
        again = pick(few, self._in(self.situation == Situation.BLOQUEIO_PARCIAL), "new acordo", position)
        retired = pick(few, self._in(self.situation >= Situation.RETIRADO), "acordo of a retired one", position)
        unknown = self._unknown("acordos", position) if position % 3 == 0 else settled[:0]
        contracts = np.concatenate([settled, again, retired, unknown])
        size = len(contracts)
        kinds = [Motive.KNOWN, Motive.UNKNOWN] + [Motive.WITHOUT_BLOCK] * bool(self.block.motives_without_block)
        drawn = self.draws.weighted([0.9, 0.04, 0.06][: len(kinds)], contracts, "motive", position)
        if size > len(kinds):  # each kind of motive every day
            drawn[: len(kinds)] = np.arange(len(kinds))
        motives = np.asarray(kinds, dtype=np.int64)[drawn]
        numbers = self.acordos_made + np.arange(size, dtype=np.int64)
        self.acordos_made += size
        positional = self.draws.share(0.25, contracts, "positional", position) & (position % 2 == 1)
        standing = self.draws.between(2, 9, contracts, "standing", position)
        until = np.where(positional, position, position + standing)
        once = Acordos(
            contracts, numbers, np.ones(size, dtype=np.int64), motives, np.full(size, position), until, positional
        )
        twice = once.at(self.draws.share(0.1, contracts, "two parcelas", position))
        second = Acordos(
            twice.contracts,
            twice.numbers,
            twice.parcelas + 1,
            twice.motives,
            twice.since,
            twice.until,
            twice.positional,
        )
        return once.and_also(second)

    def _apply_exclusao(self, listed: Integers, found: dict[str, Integers]) -> None:
        known = listed[listed < UNKNOWN_FROM]
        leaving = known[(self.situation[known] != Situation.NONE) & (self.situation[known] != Situation.RETIRADO)]
        found["RETIRADA"] = leaving
        self.situation[leaving] = Situation.RETIRADO
        self.placed[leaving] = False

    def _batimento(self, position: int, window: int, found: dict[str, Integers]) -> Integers:
        """All that may be worked: placed contracts but a few that paid, half of the stand-by, some unknown ones."""
        inside = self.blocked_on >= window
        active = self.situation == Situation.ATIVO
        paid = self.draws.pick(self._count(CLOSURES), self._in(self.placed & active), "paid", position)
        self.placed[paid] = False
        self._send_back(paid, 0.2, 4, "return of a closed one", position)
        stand_by = self._in(inside & (self.situation == Situation.BLOQUEIO_PARCIAL))
        left_out = stand_by[self.draws.share(0.5, stand_by, "left out", position)]
        listed = np.setdiff1d(self._in(self.placed & (self.situation != Situation.RETIRADO)), left_out)
        in_file = np.zeros(len(self.placed), dtype=bool)
        in_file[listed] = True
        closing = ~in_file & (active | (~inside & (self.situation == Situation.BLOQUEIO_PARCIAL)))
        found["BAIXA_BATIMENTO"] = self._in(closing)
        self.situation[closing] = Situation.BAIXADO
        return np.concatenate([listed, self._unknown("batimento", position)])

    def _sometimes(self, comes: bool, share: float, what: str, position: int) -> Integers:
        """A share of the open contracts, with a few unknown ones, on the days the file comes; else none."""
        if not comes:
            return np.empty(0, dtype=np.int64)
        is_open = (self.situation == Situation.ATIVO) | (self.situation == Situation.BLOQUEIO_PARCIAL)
        chosen = self.draws.pick(self._count(share), self._in(is_open), what, position)
        return np.concatenate([chosen, self._unknown(what, position)])
