"""The facts that say where a contract stands: of the newest base, its mailing, its day, and what Manager was sent."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import Any

import polars as pl

from atom_pipeline.calendar import released_on
from atom_pipeline.identity import canonical_contrato
from atom_pipeline.layout.model import Stage
from atom_pipeline.rules.batimento import compared_rows
from atom_pipeline.rules.state import Movimento, Situacao
from atom_pipeline.waves import Operation
from atom_pipeline.why.life import ASIDE, IMPORTACAO, Event
from atom_pipeline.why.standing import CHANGES_SITUACAO, AtManager, Facts, MailingState, Step
from resources.explain_holdings import Phone
from resources.ledger_records import RESETS, Base, WaveStatus
from resources.manager import MAILING, content_hash, may_send, origin
from resources.runtime import PortfolioRuntime

_SHOWN = 3  # lines that were set aside, of a contract that the base does not know


def facts_of(
    runtime: PortfolioRuntime,
    base: Base,
    contrato: str,
    state: dict[str, Any] | None,
    events: Sequence[Event],
    phones: Sequence[Phone],
) -> Facts:
    """What ``sentences`` needs to know of a contract. ``state`` is its row of ``base``, the newest one."""
    day, ledger = base.day, runtime.ledger
    mailing = _mailing_state(runtime, base)
    row = None
    if mailing is MailingState.MADE:
        row = runtime.lake.scan(MAILING, day).filter(pl.col("contrato") == contrato).collect()
    sending = may_send(runtime, day)
    situacao = state["situacao"] if state else None
    blocked = state["bloqueado_em"] if state else None
    without_phone = situacao == Situacao.ATIVO.value and not phones
    return Facts(
        contrato=contrato,
        day=day,
        today=runtime.calendar.roll_forward(runtime.now().date()),
        situacao=situacao,
        since=state["situacao_desde"] if state else None,
        motivo=state["motivo"] if state else None,
        cause=_cause(events, situacao),
        acordo=state["numero_acordo"] if state else None,
        blocked_on=blocked,
        released_on=released_on(blocked, runtime.portfolio.block) if blocked else None,
        phones=len(phones),
        placed=sum(phone.place is not None for phone in phones),
        undialable=_numbers_given(runtime, day, contrato) if without_phone and not base.imported else 0,
        mailing=mailing,
        in_mailing=row is not None and row.height > 0,
        manager=_manager(runtime, events, row),
        carga_sent=any(wave.kind in RESETS for wave in ledger.waves(day, WaveStatus.SENT)),
        may_send=sending.carga,
        hindrances=sending.reasons,
        planned=tuple(wave.label for wave in ledger.waves(status=WaveStatus.PLANNED)),
        stale=tuple(runtime.stale()),
        not_applied=tuple(_not_applied(runtime, day, contrato)),
        aside=_aside(events, day, known=state is not None),
        refused=_refused(runtime, day, contrato),
    )


def _mailing_state(runtime: PortfolioRuntime, base: Base) -> MailingState:
    if base.imported:
        return MailingState.IMPORTED
    made_of = origin(runtime, MAILING, base.day)
    if made_of is None:
        return MailingState.NOT_MADE
    return MailingState.MADE if made_of == base.hash else MailingState.OTHER_BASE


def _cause(events: Sequence[Event], situacao: str | None) -> Event | None:
    for event in reversed(events):
        if event.movimento in CHANGES_SITUACAO or event.movimento == IMPORTACAO:
            return event if event.depois == situacao else None
    return None


def _numbers_given(runtime: PortfolioRuntime, day: date, contrato: str) -> int:
    """How many numbers the contract's last accepted remessa row has."""
    cadastro = runtime.lake.scan("cadastro", day)
    names = [name for name in cadastro.collect_schema().names() if name.startswith("telefone_") and "numero" in name]
    if not names:
        return 0
    rows = cadastro.filter(pl.col("contrato") == contrato).select(pl.sum_horizontal(pl.col(names).is_not_null()))
    return int(rows.collect().to_series().sum())


def _manager(runtime: PortfolioRuntime, events: Sequence[Event], row: pl.DataFrame | None) -> AtManager | None:
    """What the newest wave that speaks of the contract said, unless a later one said anew all that Manager has."""
    waves = [event for event in events if event.is_wave]
    if not waves:
        return None
    last = waves[-1]
    operation = Operation(last.movimento.partition(" ")[2])
    label = last.onda or ""
    since = runtime.ledger.waves_manager_has()
    if since and (last.dia, label) < (since[0].day, since[0].label) and operation is not Operation.BAIXA:
        return AtManager(Operation.BAIXA, since[0].label, since[0].day)  # left out of all that was said anew
    sent = f"{last.enviada:%Y-%m-%d %H:%M}" if last.enviada else ""
    same = row is None or row.is_empty() or content_hash(row).item() == last.conteudo
    return AtManager(operation, label, last.dia, last.arquivo, sent, same)


def _not_applied(runtime: PortfolioRuntime, day: date, contrato: str) -> list[Step]:
    """The steps of the day that are held, and the batimento that waits."""
    files = runtime.day_files(day)

    def names(stage: Stage) -> tuple[str, ...]:
        layouts = {layout.layout for layout in runtime.layouts(stage)}
        return tuple(file.name for file in files if file.layout in layouts)

    held = [Stage(verdict.guard) for verdict in runtime.verdicts(day) if verdict.stands_in_the_way]
    steps = [Step(stage.value, names(stage), _names_it(runtime, day, stage, contrato)) for stage in held]
    if Stage.BATIMENTO not in held and names(Stage.BATIMENTO) and (waits := runtime.batimento_waits(day)):
        listed = _names_it(runtime, day, Stage.BATIMENTO, contrato)
        steps.append(Step(Stage.BATIMENTO.value, names(Stage.BATIMENTO), listed, tuple(waits)))
    return steps


def _names_it(runtime: PortfolioRuntime, day: date, stage: Stage, contrato: str) -> bool | None:
    """Whether the day's accepted rows of a stage have the contract; None when they are no longer kept."""
    digits = runtime.portfolio.contrato_digits
    mine = canonical_contrato(pl.col("contrato"), digits) == contrato
    found = {}
    for layout in runtime.layouts(stage):
        table = f"recebido/{layout.layout}"
        if not runtime.lake.exists(table, day):
            return None
        found[layout.layout] = runtime.lake.scan(table, day).filter(mine).collect()
    if stage is Stage.BATIMENTO:
        return bool(compared_rows(found, runtime.portfolio)["desta_carteira"].any())
    return any(rows.height for rows in found.values())


def _aside(events: Sequence[Event], day: date, *, known: bool) -> tuple[Event, ...]:
    """Lines of the day that were not used; of a contract that the base does not know, the newest ones."""
    unused = [event for event in events if event.kind in (ASIDE, Movimento.IGNORADO_BLOQUEIO.value)]
    return tuple(event for event in unused if event.dia == day) if known else tuple(unused[-_SHOWN:])


def _refused(runtime: PortfolioRuntime, day: date, contrato: str) -> tuple[tuple[str, int, str], ...]:
    """Refused lines of the day that have the contract's number in them, with or without its zeros on the left."""
    if not runtime.lake.exists("recusadas", day):
        return ()
    bare = contrato.lstrip("0")
    if not bare.isalnum():
        return ()
    line = pl.col("original")
    mine = line.str.contains(contrato, literal=True) | line.str.contains(rf"(^|[^0-9A-Za-z])0*{bare}($|[^0-9A-Za-z])")
    rows = runtime.lake.scan("recusadas", day).filter(mine).select("arquivo", "linha", "motivo", "campo").collect()
    return tuple(
        (file, number, f"{motivo} in {campo}" if campo else motivo) for file, number, motivo, campo in rows.iter_rows()
    )
