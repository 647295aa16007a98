"""The life of a contract as events, each with the rules that it follows from, and how many alike are told as one."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import date, datetime

from atom_pipeline.rules.state import Ignorada, Movimento
from atom_pipeline.waves import Operation

IMPORTACAO = "IMPORTACAO"
WAVE, ASIDE, MESSAGE = "ONDA", "IGNORADA", "MASSIVA"  # the first word of an event that is no movimento

# What the specification calls each: R and UC numbers as the layouts and the steps cite them.
RULES: dict[str, tuple[str, ...]] = {
    Movimento.ALTA: ("R004", "UC001"),
    Movimento.ATUALIZACAO: ("R004", "UC001"),
    Movimento.REATIVACAO: ("R004", "UC001"),
    Movimento.IGNORADO_BLOQUEIO: ("R020",),
    Movimento.BLOQUEIO: ("R017", "R019", "UC004"),
    Movimento.ACORDO_REGISTRADO: ("R017", "UC004"),
    Movimento.RETIRADA: ("R011", "UC005"),
    Movimento.BAIXA_BATIMENTO: ("R022", "UC006"),
}
RULES_ASIDE: dict[str, tuple[str, ...]] = {
    Ignorada.IGNORADO_BLOQUEIO: ("R020",),
    Ignorada.CONTRATO_FORA_DA_BASE: ("FA006",),
    Ignorada.CPF_DIVERGENTE: ("R023",),
    Ignorada.OUTRA_CARTEIRA: ("R016",),
    Ignorada.MOTIVO_NAO_BLOQUEIA: ("R017",),
    Ignorada.CONTRATO_NAO_ATIVO: ("UC014",),
    Ignorada.MENSAGEM_REPETIDA: ("UC014",),
    Ignorada.CLIENTE_FORA_DA_BASE: ("R036",),
    Ignorada.TELEFONE_FORA_DA_BASE: ("R035",),
}
RULES_WAVE: dict[str, tuple[str, ...]] = {
    "CARGA": ("R012", "UC003"),
    "INCLUSAO": ("R012", "UC003"),
    "ALTERACAO": ("R012", "UC003"),
    "BAIXA": ("UC007",),
    "MANTIDO": ("UC007",),
}


@dataclass(frozen=True)
class Event:
    """One thing that happened to a contract, or to its row at Manager.

    ``onda`` is the label of a wave, ``enviada`` when it went, ``conteudo`` the hash of the row that it sent. ``until``
    and ``times``: this event and others alike after it, the last of which has this file and line, told as one, with
    how often the content changed in between.
    """

    dia: date
    movimento: str
    antes: str | None = None
    depois: str | None = None
    arquivo: str | None = None
    linha: int | None = None
    detalhe: str | None = None
    onda: str | None = None
    enviada: datetime | None = None
    conteudo: str | None = None
    until: date | None = None
    times: int = 1
    changes: int = 0

    @property
    def kind(self) -> str:
        return self.movimento.split(" ")[0]

    @property
    def is_wave(self) -> bool:
        return self.kind == WAVE

    @property
    def rules(self) -> tuple[str, ...]:
        """The rules of the specification that it follows from; none for a mark."""
        first, _, rest = self.movimento.partition(" ")
        if first == WAVE:
            return RULES_WAVE.get(rest, ())
        return RULES_ASIDE.get(rest, ()) if first == ASIDE else RULES.get(first, ())


def in_order(events: Iterable[Event]) -> list[Event]:
    """Oldest first; on one day what happened to the base before what was sent."""
    return sorted(events, key=lambda event: (event.dia, event.is_wave))


def folded(events: Iterable[Event]) -> list[Event]:
    """Events in order, those alike that follow each other as one: a carga every day, the same fields changed every day.

    The waves and the base's events are two rows: what was sent in between does not part two updates.
    """
    out: list[Event] = []
    last: dict[bool, int] = {}
    for event in events:
        place = last.get(event.is_wave)
        if place is not None and _alike(out[place], event):
            first = out[place]
            changes = first.changes + (event.conteudo != first.conteudo)
            out[place] = replace(event, dia=first.dia, until=event.dia, times=first.times + 1, changes=changes)
            continue
        last[event.is_wave] = len(out)
        out.append(event)
    return out


def _alike(one: Event, other: Event) -> bool:
    """A carga says all anew every day, and its row changes as a rule; updates of the same fields are alike."""
    same = one.movimento == other.movimento
    if one.is_wave:
        return same and one.movimento == f"{WAVE} {Operation.CARGA}"
    return same and one.movimento == Movimento.ATUALIZACAO.value and one.detalhe == other.detalhe
