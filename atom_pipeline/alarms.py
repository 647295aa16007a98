"""Which alarms should be open now, and so what opens and what ends (FA001 and FA002 of the use cases).

Pure decisions over what is known at a moment, which is in ``alarm_facts``. The record of alarms, the telling of people
and the clock do not belong here. An alarm has a key that stays the same while its cause lasts: it is opened once, and
cleared once, whatever happens in between. Messages are for operators, in Portuguese, with what to do next; they hold no
personal data, but for what the sender of a file wrote in its name and cannot be recognised.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Protocol

from atom_pipeline.alarm_facts import DayAtHand, Facts, FailedRun, FailingSensor, UndeliveredWave
from atom_pipeline.day import Status
from atom_pipeline.masking import scrub


class Kind(StrEnum):
    """What an alarm is about."""

    RUN_FAILED = "execucao-falhou"
    CHECK_FAILED = "verificacao-falhou"
    DAY_NOT_MADE = "dia-nao-feito"
    FILE_REFUSED = "arquivo-recusado"
    STEP_HELD = "etapa-retida"
    UNKNOWN_FILE = "arquivo-desconhecido"
    FILE_LATE = "arquivo-atrasado"
    DROP_UNREACHABLE = "drop-inacessivel"
    SENSOR_FAILING = "sensor-falha"
    CARGA_INCOMPLETE = "carga-incompleta"
    CARGA_NOT_SENT = "carga-nao-enviada"
    CONFLICT = "conflito-no-manager"
    WAVE_NOT_DELIVERED = "onda-nao-entregue"


class Severity(StrEnum):
    ERROR = "erro"  # something does not go out, or would go out wrong, until somebody acts
    WARNING = "aviso"


@dataclass(frozen=True)
class Alarm:
    """An alarm that should be open. ``key`` is its identity for as long as its cause lasts.

    A ``tentative`` one keeps an open alarm open and opens none: its cause is being worked on.
    """

    key: str
    kind: Kind
    day: date | None
    title: str
    message: str
    severity: Severity = Severity.ERROR
    tentative: bool = False


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


# Of failing polls: three of the drop's in a row. A server that misses one is no alarm, nor is a restart.
TOLD_AFTER = timedelta(seconds=100)
GRACE = timedelta(minutes=15)  # what a run and a delivery may take before somebody is told
STUCK = timedelta(minutes=30)
MOST_OF_A_KIND = 30
# Checks of a day that other alarms tell of, with what to do.
TOLD_OTHERWISE = ("guarda_", "arquivos_aceitos")
DROP_SENSOR = "__drop"
_LONGEST = 600  # characters of an error's words
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
    found = [
        *_failed_runs(facts),
        *_failed_checks(facts),
        *_days_not_made(facts),
        *_refused_files(facts),
        *_held_steps(facts),
        *_unknown_files(facts),
        *(alarm for day in facts.at_hand for alarm in _late_files(day)),
        *(alarm for day in facts.at_hand for alarm in _carga(day, facts.now)),
        *_undelivered(facts),
        *_failing_sensors(facts),
    ]
    by_kind: dict[Kind, list[Alarm]] = defaultdict(list)
    for alarm in {alarm.key: alarm for alarm in found}.values():
        by_kind[alarm.kind].append(alarm)
    return [alarm for kind, alarms in by_kind.items() for alarm in _bounded(kind, alarms)]


def ending(alarm: Opened, facts: Facts) -> str:
    """Why an open alarm ends, in words."""
    if alarm.kind in _OF_THE_DAY_AT_HAND and alarm.day is not None:
        at_hand = next((day for day in facts.at_hand if day.day == alarm.day), None)
        if at_hand is None:
            return "o dia terminou assim"
        if alarm.kind == Kind.FILE_LATE:
            item = next((one for one in at_hand.expected if _late_key(at_hand.day, one.name) == alarm.key), None)
            return f"situação agora: {item.status.value}" if item else "o dia não espera mais este arquivo"
    if alarm.opened_at < facts.horizon and alarm.kind != Kind.UNKNOWN_FILE:
        return f"{_ENDINGS[alarm.kind]}, ou passou tempo demais para ser vigiado"
    return _ENDINGS[alarm.kind]


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
        )


# Runs and days.


def _failed_runs(facts: Facts) -> Iterator[Alarm]:
    for run in facts.failed_runs:
        if not run.errors and run.checks and all(_told_otherwise(check) for check in run.checks):
            continue
        if run.conflict and facts.waves:
            continue  # told with the wave
        of_day = f" de {_of(run.day)}" if run.day else ""
        yield Alarm(
            _key(Kind.RUN_FAILED, run.job, run.day),
            Kind.RUN_FAILED,
            run.day,
            f"Falhou a execução{of_day}: {run.job}",
            f"{_run_words(run)} Execução {run.run_id[:8]} na UI, com o passo que parou. {_next_step(run)}",
            tentative=run.again or (run.passing and facts.now - run.since < GRACE),
        )


def _run_words(run: FailedRun) -> str:
    return _sentence("; ".join([*run.errors[:3], *run.checks[:3]]) or "a execução parou sem dizer por quê")


def _next_step(run: FailedRun) -> str:
    if run.day is None:
        return "O que não foi coletado é tentado de novo; se a causa não passar sozinha, corrija-a."
    return f"Corrija a causa e rode o dia de novo: `atom run {run.day}`, ou Materialize na UI."


def _failed_checks(facts: Facts) -> Iterator[Alarm]:
    for check in facts.failed_checks:
        if not _told_otherwise(check.check):
            yield Alarm(
                _key(Kind.CHECK_FAILED, check.day, check.asset, check.check),
                Kind.CHECK_FAILED,
                check.day,
                f"A verificação {check.check} de {_of(check.day)} não passou",
                f"{_sentence(check.words)} Veja {check.asset} na UI, no dia.",
            )


def _told_otherwise(check: str) -> bool:
    return check.rpartition(".")[2].startswith(TOLD_OTHERWISE)


def _days_not_made(facts: Facts) -> Iterator[Alarm]:
    """The first day that waits to be made; those after it wait for it."""
    stale = facts.stale
    if stale is None or facts.now - stale.since < STUCK:
        return
    if any(run.day == stale.day for run in facts.failed_runs):
        return  # that alarm says why
    yield Alarm(
        _key(Kind.DAY_NOT_MADE, stale.day),
        Kind.DAY_NOT_MADE,
        stale.day,
        f"O dia {_of(stale.day)} não foi feito com o que chegou",
        f"Arquivos ou decisões mudaram às {facts.local(stale.since):%H:%M de %d/%m} e a base não é a deles. Veja na UI "
        f"se os sensores estão ligados e por que o dia espera; ou rode-o: `atom run {stale.day}`.",
        tentative=facts.under_way,
    )


# Files.


def _refused_files(facts: Facts) -> Iterator[Alarm]:
    for file in facts.refused:
        yield Alarm(
            _key(Kind.FILE_REFUSED, file.day, file.layout, _short(f"{file.name}\0{file.version}")),
            Kind.FILE_REFUSED,
            file.day,
            f"Arquivo recusado, dia {_of(file.day)}: {_name(file.name)}",
            f"{_sentence(file.words)} Nada dele entrou na base. Corrija-o ou peça-o de novo ao banco, e ponha-o no "
            "drop com o mesmo nome: entra como nova versão.",
        )


def _held_steps(facts: Facts) -> Iterator[Alarm]:
    for held in facts.held:
        yield Alarm(
            _key(Kind.STEP_HELD, held.day, held.guard),
            Kind.STEP_HELD,
            held.day,
            f"Etapa retida, dia {_of(held.day)}: {held.guard}",
            f"{_sentence(held.words)} Decida com `atom decide {held.day} {held.released_by} --why MOTIVO`, ou com o "
            "job da decisão na UI.",
        )


def _unknown_files(facts: Facts) -> Iterator[Alarm]:
    for name in facts.unknown:
        yield Alarm(
            _key(Kind.UNKNOWN_FILE, _short(name)),
            Kind.UNKNOWN_FILE,
            None,
            f"Arquivo que nenhum layout reconhece: {_name(name)}",
            "Ficou no drop como veio, sem ser lido. Se é do banco, veja em `atom layout list` o nome que se espera e "
            "ponha-o no drop com ele; se não, tire-o do drop.",
            Severity.WARNING,
        )


def _late_files(at_hand: DayAtHand) -> Iterator[Alarm]:
    for item in at_hand.expected:
        if item.status is not Status.LATE or item.due is None:
            continue
        waits = any(wait.partition(":")[0] == item.name for wait in at_hand.batimento_waits)
        waiver = at_hand.waivers.get(item.name)
        waived = f", ou decida `atom decide {at_hand.day} {waiver} --why MOTIVO`" if waiver else ""
        yield Alarm(
            _late_key(at_hand.day, item.name),
            Kind.FILE_LATE,
            at_hand.day,
            f"Atrasado, dia {_of(at_hand.day)}: {item.name}",
            f"Era esperado até {item.due:%H:%M de %d/%m} ({' ou '.join(item.layouts)}). "
            + ("A carga espera por ele. " if item.required else "")
            + ("O batimento já chegou e espera por ele. " if waits else "")
            + f"Cobre o banco{waived}.",
            Severity.ERROR if item.required else Severity.WARNING,
        )


def _late_key(day: date, name: str) -> str:
    return _key(Kind.FILE_LATE, day, name)


# Manager.


def _carga(at_hand: DayAtHand, now: datetime) -> Iterator[Alarm]:
    """The carga that went without all that the day expects (R012, UC003), or did not go by its deadline."""
    carga = at_hand.carga
    lacks = "; ".join(carga.reasons)
    if carga.without and carga.reasons and not carga.by_decision:
        yield Alarm(
            _key(Kind.CARGA_INCOMPLETE, at_hand.day),
            Kind.CARGA_INCOMPLETE,
            at_hand.day,
            f"A carga do dia {_of(at_hand.day)} foi incompleta",
            f"No prazo, {carga.deadline:%H:%M}, ela foi {_sentence(carga.without)} Falta agora: {_sentence(lacks)} O "
            "que chegar vai em incrementais.",
        )
    elif carga.awaited and now >= carga.deadline + GRACE:
        yield Alarm(
            _key(Kind.CARGA_NOT_SENT, at_hand.day),
            Kind.CARGA_NOT_SENT,
            at_hand.day,
            f"A carga do dia {_of(at_hand.day)} não foi ao Manager",
            f"O prazo era {carga.deadline:%H:%M}. {_sentence(lacks or 'nada falta: veja as execuções do dia na UI')} "
            f"Veja `atom day {at_hand.day}`. Para enviar com o que há, `atom decide {at_hand.day} send-now --why "
            "MOTIVO`; para não enviar, `do-not-send`.",
        )


def _undelivered(facts: Facts) -> Iterator[Alarm]:
    """A wave that is on its way for too long. There is one at most: the next is planned when it has arrived."""
    for wave in facts.waves:
        conflicts = [run for run in facts.failed_runs if run.conflict]
        if conflicts:
            yield _wave_alarm(
                Kind.CONFLICT,
                wave,
                f"Conflito no Manager: a onda {wave.label} não foi entregue",
                f"{_run_words(conflicts[-1])} O arquivo que está lá não foi sobrescrito: descubra quem o escreveu, "
                "tire-o de lá e rode o dia de novo; nenhuma outra onda vai antes desta.",
                tentative=facts.under_way,
            )
        elif facts.now - wave.planned_at >= GRACE:
            failed = [run for run in facts.failed_runs if run.day is not None and run.day >= wave.day]
            yield _wave_alarm(
                Kind.WAVE_NOT_DELIVERED,
                wave,
                f"A onda {wave.label} não foi entregue ao Manager",
                (f"{_run_words(failed[-1])} " if failed else "")
                + "Veja se o servidor do Manager responde e rode o dia de novo; nenhuma outra onda vai antes desta.",
                tentative=facts.under_way,
            )


def _wave_alarm(kind: Kind, wave: UndeliveredWave, title: str, message: str, *, tentative: bool) -> Alarm:
    return Alarm(_key(kind, wave.label), kind, wave.day, title, message, tentative=tentative)


# Sensors.


def _failing_sensors(facts: Facts) -> Iterator[Alarm]:
    for sensor in facts.failing_sensors:
        drop = sensor.name.endswith(DROP_SENSOR)
        kind = Kind.DROP_UNREACHABLE if drop else Kind.SENSOR_FAILING
        yield Alarm(
            _key(kind, sensor.name),
            kind,
            None,
            "O drop não pode ser lido" if drop else f"O sensor {sensor.name} falha",
            f"{_sentence(sensor.words)} {_sensor_next(sensor, drop=drop)}",
            tentative=sensor.lasting < TOLD_AFTER and not sensor.refused,
        )


def _sensor_next(sensor: FailingSensor, *, drop: bool) -> str:
    if sensor.refused:
        return "Tentar de novo não resolve: confira a chave do servidor, a senha ou o certificado (ATOM_DROP_*)."
    if drop:
        return "Nada é coletado até lá. É tentado a cada minuto; veja o servidor e a rede."
    return "Veja o erro na UI, em Automation."


# Words.


def _key(kind: Kind, *parts: object) -> str:
    return ":".join([kind.value, *(str(part) for part in parts if part is not None)])


def _short(text: str) -> str:
    """A name's place in a key, which goes to receivers: of fixed length and without what the name says."""
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:16]


def _of(day: date) -> str:
    return f"{day:%d/%m/%Y}"


def _name(name: str) -> str:
    return _clip(scrub(name), 160)


def _sentence(words: str) -> str:
    """Somebody else's words as a sentence of bounded length, without what looks like personal data."""
    text = _clip(scrub(" ".join(words.split())), _LONGEST).rstrip()
    return text if text.endswith((".", "!", "?", "…")) else f"{text}."


def _clip(text: str, length: int) -> str:
    return text if len(text) <= length else f"{text[: length - 1]}…"
