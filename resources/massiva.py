"""A day's WhatsApp messages as they stand: which rows would go now, which not and why, and what came of the others.

Read from the lake and the ledger, judged by ``atom_pipeline.massiva``; nothing is sent here (``massiva_sending``). A
row is judged on the newest good base there is at the moment, never on the one it came with: who was blocked, retired
or closed since is written to no more.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime

import polars as pl

from atom_pipeline.day import SENDING, Decision, Status
from atom_pipeline.errors import AtomError
from atom_pipeline.layout.model import Stage
from atom_pipeline.massiva.breaker import Breaker
from atom_pipeline.massiva.fates import WAITING, MassivaState, fates
from atom_pipeline.massiva.rows import PEDIDOS, pedidos
from atom_pipeline.portfolio import Massivas
from resources.ledger_look import LedgerLook
from resources.ledger_records import Base
from resources.runtime import PortfolioRuntime

ACTIVITY = "massivas"  # what the ledger's lock on sending is called
# A day that lacks one of these may hold contracts that are settled, retired or paid, and nobody knows it yet.
SAYS_WHO_IS_OUT = (Stage.ACORDOS, Stage.EXCLUSAO, Stage.BATIMENTO)
KNOWN_COLUMNS = ("chave", "id", "estado", "tentativas", "nao_antes")


@dataclass(frozen=True)
class Plan:
    """A day's rows now: judged (``massiva.rows.PEDIDOS``), with their message on the record, in the order they go.

    ``reasons`` say in Portuguese why nothing may go now; ``base`` is what the rows were judged on.
    """

    day: date
    base: Base | None
    rows: pl.DataFrame
    reasons: tuple[str, ...]


def plan_massivas(runtime: PortfolioRuntime, day: date) -> Plan:
    """Judge the day's rows on the newest good base. Nothing is changed."""
    base = runtime.ledger.newest_base()
    reasons = reasons_not_to_send(runtime, day, base)
    known = runtime.ledger.known_messages(day)
    layouts = [layout.layout for layout in runtime.layouts(Stage.MASSIVA)]
    received = {
        name: runtime.lake.read(f"recebido/{name}", day)
        for name in layouts
        if runtime.lake.exists(f"recebido/{name}", day)
    }
    if base is None:
        return Plan(day, base, _with_known(pl.DataFrame(schema=PEDIDOS), known), tuple(reasons))
    contratos = runtime.lake.read("contratos", base.day)
    enderecos = runtime.lake.read("enderecos", base.day)
    changed = [name for name in ("contratos", "enderecos") if not _is_of(runtime, base, name)]
    if changed:
        reasons.append(f"a base de {base.day:%Y-%m-%d} está sendo refeita")
    rows = pedidos(received, contratos, enderecos, portfolio=runtime.portfolio, known=known)
    return Plan(day, base, _with_known(rows, known), tuple(dict.fromkeys(reasons)))


def _with_known(rows: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    return rows.join(known.select(KNOWN_COLUMNS), on="chave", how="left", maintain_order="left")


def _is_of(runtime: PortfolioRuntime, base: Base, table: str) -> bool:
    return runtime.lake.sha256(table, base.day) == base.tables[table]


def reasons_not_to_send(runtime: PortfolioRuntime, day: date, base: Base | None) -> list[str]:
    """Why no message of the day may go now, in the operators' words; empty when they may.

    A message goes on its file's day or not at all. A base that is behind its files, that lacks what says who is out
    (acordos, exclusão, batimento), or of which a step is held, may show somebody as ATIVO who has paid: then nothing
    goes, unless an operator decides `send-now` for what is missing. `do-not-send` stops the messages too.
    """
    portfolio = runtime.portfolio
    if portfolio.massivas is None:
        return ["portfolio.yaml não diz como enviar (`massivas`)"]
    reasons: list[str] = []
    missing = runtime.settings.omne.missing()
    if missing is not None:
        reasons.append(missing)
    today = runtime.now().date()
    if day != today:
        went = "já passou" if day < today else "ainda não chegou"
        reasons.append(f"o dia {day:%Y-%m-%d} {went}: uma mensagem vai no dia do seu arquivo")
    if base is None:
        return [*reasons, "não há base"]
    stale = runtime.stale()
    if stale:
        days = ", ".join(f"{one:%Y-%m-%d}" for one in stale)
        reasons.append(f"a base não é a dos arquivos e decisões que há agora: rode {days}")
    words = [taken.what for taken in runtime.taken(day) if taken.what in SENDING]
    word = words[-1] if words else None
    if word is Decision.DO_NOT_SEND:
        reasons.append("decisão do operador: não enviar")
    reasons += [f"{one.guard}: retido" for one in runtime.verdicts(base.day) if one.stands_in_the_way]
    if word is not Decision.SEND_NOW:
        out = {layout.layout for layout in runtime.layouts(*SAYS_WHO_IS_OUT)}
        reasons += [
            f"{item.name}: {item.status.value}"
            for item in runtime.expected(day)
            if out & set(item.layouts) and not item.fulfilled and (item.required or item.status is Status.REFUSED)
        ]
    return list(dict.fromkeys(reasons))


def config_of(runtime: PortfolioRuntime) -> Massivas:
    """How the portfolio sends. Raises AtomError when its document does not say."""
    if runtime.portfolio.massivas is None:
        raise AtomError(f"{runtime.name} sends no messages: write `massivas` in its portfolio.yaml")
    return runtime.portfolio.massivas


def breaker_of(runtime: PortfolioRuntime, day: date) -> Breaker:
    """The circuit breaker as the day's answers on the record leave it."""
    config = config_of(runtime)
    outcomes = runtime.ledger.last_outcomes(day, config.breaker.window)
    return Breaker(config.breaker, config.concurrency, outcomes)


def resume_at(runtime: PortfolioRuntime, day: date) -> datetime | None:
    """Until when nothing may go because OMNE asked us to wait, or failed massively; None when something may."""
    now = runtime.now()
    waits = [runtime.ledger.paused_until(day), breaker_of(runtime, day).open_until(now)]
    ahead = [moment for moment in waits if moment is not None and moment > now]
    return max(ahead, default=None)


@dataclass(frozen=True)
class Forecast:
    """What would go now, row by row (``fates``), and the same in numbers."""

    rows: pl.DataFrame
    state: MassivaState


def forecast(runtime: PortfolioRuntime, day: date) -> Forecast:
    """What sending the day would do now. Nothing is sent or changed. Raises AtomError when the portfolio sends none."""
    config = config_of(runtime)
    plan = plan_massivas(runtime, day)
    rows = fates(plan.rows, config, day=day, now=runtime.now())
    waiting = rows.filter(pl.col("destino").is_in(WAITING))
    next_at = waiting["a_partir_de"].min()
    state = MassivaState(
        day=day,
        fates=_counted(rows),
        reasons=plan.reasons,
        next_at=next_at if isinstance(next_at, datetime) else None,
        resume_at=resume_at(runtime, day),
        busy=bool(LedgerLook(runtime.engine, runtime.name).held([ACTIVITY])),
    )
    return Forecast(rows, state)


def massiva_state(runtime: PortfolioRuntime, day: date) -> MassivaState:
    """How a day's messages stand, for whoever decides whether to send (``massivas_due``)."""
    if runtime.portfolio.massivas is None or not has_massivas(runtime, day):
        return MassivaState(day, {})
    return forecast(runtime, day).state


def has_massivas(runtime: PortfolioRuntime, day: date) -> bool:
    """Whether a massive file of the day was collected: a cheap question, before the costly ones."""
    return any(runtime.ledger.files(day, layout.layout) for layout in runtime.layouts(Stage.MASSIVA))


def _counted(rows: pl.DataFrame) -> Mapping[str, int]:
    counted = rows.group_by("destino").len().sort("destino")
    return {str(word): int(count) for word, count in counted.iter_rows()}
