"""The alarms that each thing known gives rise to, and their words: what was found, and what to do next.

Which of them open and end is in ``alarms``. Messages are for operators, in Portuguese; they hold no personal data, but
for what the sender of a file wrote in its name and cannot be recognised.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

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


# Of failing polls: three of the drop's in a row. A server that misses one is no alarm, nor is a restart.
TOLD_AFTER = timedelta(seconds=100)
GRACE = timedelta(minutes=15)  # what a run and a delivery may take before somebody is told
STUCK = timedelta(minutes=30)
EARLY = timedelta(days=7)  # a file that comes so long before its day can be made has a wrong date in its name
# Checks of a day that other alarms tell of, with what to do.
TOLD_OTHERWISE = ("guarda_", "arquivos_aceitos")
DROP_SENSOR = "__drop"
_LONGEST = 600  # characters of an error's words


def causes(facts: Facts) -> Iterator[Alarm]:
    """Every alarm that the facts give rise to; of a kind the oldest first."""
    yield from _failed_runs(facts)
    yield from _failed_checks(facts)
    yield from _days_not_made(facts)
    yield from _refused_files(facts)
    yield from _held_steps(facts)
    yield from _unknown_files(facts)
    for day in facts.at_hand:
        yield from _late_files(day)
        yield from _carga(day, facts.now)
    yield from _undelivered(facts)
    yield from _failing_sensors(facts)


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
        return (
            "O que não foi coletado é tentado de novo; se a causa não passar sozinha, corrija-a. O que se tirou do "
            "drop sai daqui quando alguém executa o job sem nomes."
        )
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
    if stale.opens is not None and facts.now < stale.opens:
        if stale.opens - facts.now > EARLY:
            yield Alarm(
                _key(Kind.DAY_NOT_MADE, stale.day),
                Kind.DAY_NOT_MADE,
                stale.day,
                f"Chegaram arquivos para {_of(stale.day)}, que ainda está longe",
                f"O dia só pode ser feito a partir de {facts.local(stale.opens):%d/%m/%Y}. Confira a data no nome dos "
                "arquivos: se está errada, eles não entram no dia certo até que venham com o nome certo.",
                Severity.WARNING,
            )
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
            late_key(at_hand.day, item.name),
            Kind.FILE_LATE,
            at_hand.day,
            f"Atrasado, dia {_of(at_hand.day)}: {item.name}",
            f"Era esperado até {item.due:%H:%M de %d/%m} ({' ou '.join(item.layouts)}). "
            + ("A carga espera por ele. " if item.required else "")
            + ("O batimento já chegou e espera por ele. " if waits else "")
            + f"Cobre o banco{waived}.",
            Severity.ERROR if item.required else Severity.WARNING,
        )


def late_key(day: date, name: str) -> str:
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
