"""The life of a contract: the rules behind each event, and events alike told as one."""

from __future__ import annotations

from datetime import date, timedelta

from atom_pipeline.rules.state import Ignorada, Movimento
from atom_pipeline.waves import Operation
from atom_pipeline.why.life import Event, folded, in_order

DAY = date(2026, 11, 9)


def carga(number: int, conteudo: str, operation: str = "CARGA") -> Event:
    day = DAY + timedelta(days=number)
    return Event(day, f"ONDA {operation}", arquivo=f"mailing_{number}", onda=f"{day}/01", conteudo=conteudo)


def update(number: int, fields: str = "dias_atraso") -> Event:
    return Event(DAY + timedelta(days=number), "ATUALIZACAO", "ATIVO", "ATIVO", f"remessa_{number}", number, fields)


def test_every_movimento_every_reason_and_every_operation_cites_its_rules() -> None:
    for words in (
        *(movimento.value for movimento in Movimento),
        *(f"IGNORADA {motivo}" for motivo in Ignorada),
        *(f"ONDA {operation}" for operation in Operation),
    ):
        assert Event(DAY, words).rules, words
    assert Event(DAY, "Ação Massiva – SMS").rules == ()


def test_on_one_day_the_base_comes_before_what_was_sent() -> None:
    assert in_order([carga(0, "a"), update(1), update(0)]) == [update(0), carga(0, "a"), update(1)]


def test_a_carga_a_day_and_the_same_fields_a_day_are_told_once_with_the_last_file_and_line() -> None:
    events = in_order([*(carga(n, "aabb"[n]) for n in range(4)), *(update(n) for n in range(4))])
    one, other = folded(events)
    assert (one.dia, one.until, one.times, one.arquivo, one.linha) == (DAY, update(3).dia, 4, "remessa_3", 3)
    assert (other.dia, other.until, other.times, other.arquivo) == (DAY, carga(3, "a").dia, 4, "mailing_3")
    assert (other.changes, one.changes) == (1, 0)


def test_what_differs_in_between_parts_them_and_nothing_else_is_joined() -> None:
    blocked = Event(DAY, "BLOQUEIO", "ATIVO", "BLOQUEIO PARCIAL", "a", 1, "acordo 1")
    for events in (
        [update(0), update(1, "valor"), update(2)],
        [update(0), blocked, update(1)],
        [carga(0, "a"), carga(2, "a", "ALTERACAO"), carga(3, "a", "ALTERACAO")],
        [blocked, blocked],
    ):
        assert folded(events) == events
