"""Which alarms should be open now, and so what opens and what ends (FA001 and FA002 of the use cases).

Pure decisions over what is known at a moment, which is in ``alarm_facts``. The record of alarms, the telling of people
and the clock do not belong here. An alarm has a key that stays the same while its cause lasts: it is opened once, and
cleared once, whatever happens in between. What gives rise to each, and its words, are in ``alarm_causes``.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from typing import Protocol

from atom_pipeline.alarm_causes import Alarm, Kind, causes, late_key
from atom_pipeline.alarm_facts import Facts


class Opened(Protocol):
    """An alarm that is open on the record."""

    @property
    def key(self) -> str: ...
    @property
    def kind(self) -> str: ...
    @property
    def day(self) -> date | None: ...
    @property
    def opened_at(self) -> datetime: ...


@dataclass(frozen=True)
class Clearing:
    """An open alarm that ends, and why."""

    key: str
    why: str


@dataclass(frozen=True)
class Changes:
    """What the record must become. ``to_keep`` are those that stay open, in today's words."""

    to_open: tuple[Alarm, ...] = ()
    to_clear: tuple[Clearing, ...] = ()
    to_keep: tuple[Alarm, ...] = ()


MOST_OF_A_KIND = 30
_ENDINGS: Mapping[str, str] = {
    Kind.RUN_FAILED: "uma execução posterior terminou bem",
    Kind.CHECK_FAILED: "a verificação passou",
    Kind.DAY_NOT_MADE: "o dia foi feito",
    Kind.FILE_REFUSED: "o arquivo foi substituído ou lido",
    Kind.STEP_HELD: "a etapa foi liberada, ou seus arquivos mudaram",
    Kind.UNKNOWN_FILE: "o arquivo não está mais no drop, ou um layout passou a reconhecê-lo",
    Kind.DROP_UNREACHABLE: "o drop voltou a ser lido",
    Kind.SENSOR_FAILING: "o sensor voltou a funcionar",
    Kind.CARGA_INCOMPLETE: "o que faltava chegou e foi processado",
    Kind.CARGA_NOT_SENT: "a carga foi enviada, ou um operador decidiu não enviar",
    Kind.CONFLICT: "a onda foi entregue ou cancelada",
    Kind.WAVE_NOT_DELIVERED: "a onda foi entregue ou cancelada",
}
_OF_THE_DAY_AT_HAND = {Kind.FILE_LATE, Kind.CARGA_INCOMPLETE, Kind.CARGA_NOT_SENT}


def changes(opened: Collection[Opened], facts: Facts) -> Changes:
    """What must open, end and stay, so that the record has exactly the alarms that should be open."""
    now = {alarm.key: alarm for alarm in wanted(facts)}
    known = {alarm.key for alarm in opened}
    return Changes(
        to_open=tuple(alarm for alarm in now.values() if alarm.key not in known and not alarm.tentative),
        to_clear=tuple(Clearing(alarm.key, ending(alarm, facts)) for alarm in opened if alarm.key not in now),
        to_keep=tuple(alarm for alarm in now.values() if alarm.key in known),
    )


def wanted(facts: Facts) -> list[Alarm]:
    """The alarms that should be open, one per key; of a kind that comes in masses the oldest, and one for the rest."""
    by_kind: dict[Kind, list[Alarm]] = defaultdict(list)
    for alarm in {alarm.key: alarm for alarm in causes(facts)}.values():
        by_kind[alarm.kind].append(alarm)
    return [alarm for kind, alarms in by_kind.items() for alarm in _bounded(kind, alarms)]


def ending(alarm: Opened, facts: Facts) -> str:
    """Why an open alarm ends, in words."""
    if alarm.kind in _OF_THE_DAY_AT_HAND and alarm.day is not None:
        at_hand = next((day for day in facts.at_hand if day.day == alarm.day), None)
        if at_hand is None:
            return "o dia terminou assim"
        if alarm.kind == Kind.FILE_LATE:
            item = next((one for one in at_hand.expected if late_key(at_hand.day, one.name) == alarm.key), None)
            return f"situação agora: {item.status.value}" if item else "o dia não espera mais este arquivo"
    why = _ENDINGS.get(alarm.kind, "a causa não existe mais")
    if alarm.opened_at < facts.horizon and alarm.kind != Kind.UNKNOWN_FILE:
        return f"{why}, ou passou tempo demais para ser vigiado"
    return why


def _bounded(kind: Kind, alarms: list[Alarm]) -> Iterator[Alarm]:
    yield from alarms[:MOST_OF_A_KIND]
    if len(alarms) > MOST_OF_A_KIND:
        yield Alarm(
            f"{kind.value}:muitos",
            kind,
            None,
            f"Mais de {MOST_OF_A_KIND} alarmes do mesmo tipo: {kind.value}",
            f"São {len(alarms)} ao todo; os que não estão na lista aparecem quando os outros forem resolvidos. "
            "Procure uma causa comum.",
            alarms[0].severity,
            tentative=all(alarm.tentative for alarm in alarms[MOST_OF_A_KIND:]),
        )
