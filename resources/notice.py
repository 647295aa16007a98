"""What people are told of alarms: one message for all that opened and ended at once, as text and as fields.

Words only. When and to whom it goes is decided in ``ledger_deliveries``, how it gets there is in ``notify``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any
from zoneinfo import ZoneInfo

from resources.ledger_deliveries import AlarmEvent, AlarmRecord, Batch, Told

_MOST_IN_THE_TEXT = 15
_MARKS = {"erro": "🔴", "aviso": "🟡"}


@dataclass(frozen=True)
class Notice:
    """One message. ``key`` is the same when the same message is sent again.

    ``attachments`` are pages of HTML, name and content, for the channels that can carry them.
    """

    key: str
    subject: str
    text: str
    fields: dict[str, Any] = field(default_factory=dict)
    attachments: tuple[tuple[str, bytes], ...] = ()


def notice(batch: Batch, *, portfolio: str, title: str, zone: ZoneInfo) -> Notice:
    """The message of a batch. ``title`` is the portfolio's, for people; hours are told in its ``zone``."""
    opened, cleared = batch.of(AlarmEvent.OPENED), batch.of(AlarmEvent.CLEARED)
    counted = ", ".join([*_counted(len(opened), "aberto"), *_counted(len(cleared), "encerrado")])
    first = (opened or cleared)[0].title
    subject = f"[ATOM {title}] {first}" if len(batch.told) == 1 else f"[ATOM {title}] {counted}: {first}"
    if not opened:
        subject = subject.replace(f"[ATOM {title}] ", f"[ATOM {title}] Encerrado: ", 1)
    lines = [f"ATOM {title}: {counted}."]
    lines += _part("ABERTOS", [_opened(alarm, zone) for alarm in opened])
    lines += _part("ENCERRADOS", [_cleared(alarm, zone) for alarm in cleared])
    lines += ["", "O que está aberto agora: `atom alarms`, ou o sensor de alarmes na UI."]
    return Notice(
        key=batch.name,
        subject=" ".join(subject.split())[:200],
        text="\n".join(lines),
        fields={
            "portfolio": portfolio,
            "idempotency_key": batch.name,
            "repeated": batch.again,
            "events": [_event(told) for told in batch.told],
        },
    )


def trial(key: str, *, portfolio: str, title: str) -> Notice:
    """A message that says that the channel works."""
    text = f"ATOM {title}: mensagem de teste. Os alarmes desta carteira chegam por aqui."
    return Notice(
        key, f"[ATOM {title}] Teste", text, {"portfolio": portfolio, "idempotency_key": key, "test": True, "events": []}
    )


def _counted(count: int, word: str) -> list[str]:
    return [f"{count} {'alarme' if count == 1 else 'alarmes'} {word}{'' if count == 1 else 's'}"] if count else []


def _part(title: str, entries: Sequence[str]) -> list[str]:
    if not entries:
        return []
    shown = [line for entry in entries[:_MOST_IN_THE_TEXT] for line in ("", entry)]
    left = len(entries) - _MOST_IN_THE_TEXT
    return ["", title, *shown[1:], *([f"… e mais {left}"] if left > 0 else [])]


def _opened(alarm: AlarmRecord, zone: ZoneInfo) -> str:
    since = alarm.opened_at.astimezone(zone)
    return f"{_MARKS.get(alarm.severity, '')} {alarm.title} (desde {since:%H:%M de %d/%m})\n{alarm.message}"


def _cleared(alarm: AlarmRecord, zone: ZoneInfo) -> str:
    opened, cleared = (moment and moment.astimezone(zone) for moment in (alarm.opened_at, alarm.cleared_at))
    return f"✅ {alarm.title} (de {opened:%H:%M de %d/%m} a {cleared:%H:%M de %d/%m}): {alarm.cleared_why}"


def _event(told: Told) -> dict[str, Any]:
    alarm = told.alarm
    return {
        "id": told.id,
        "event": told.event.value,
        "alarm": alarm.key,
        "kind": alarm.kind,
        "severity": alarm.severity,
        "day": alarm.day.isoformat() if alarm.day else None,
        "title": alarm.title,
        "message": alarm.message,
        "opened_at": alarm.opened_at.isoformat(),
        "cleared_at": alarm.cleared_at.isoformat() if alarm.cleared_at else None,
        "cleared_why": alarm.cleared_why,
    }
