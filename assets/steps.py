"""Stage *base*: the steps of a day, each an asset that takes the base as the step before it left it.

The rules are in ``atom_pipeline.rules``; here each finds its tables in the lake and leaves its own there. A step whose
file did not come passes the base on. A step that a guard holds passes it on as well: the verdict is in the ledger
before anything is written, and publishing reads it there (DESIGN section 5).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import polars as pl

from atom_pipeline.day import FileIdentity, Outcome, decisions_fingerprint, step_fingerprint, verdict_fingerprint
from atom_pipeline.errors import AtomError, ProgramError
from atom_pipeline.layout.model import Stage
from atom_pipeline.rules.acordos import apply_acordos
from atom_pipeline.rules.batimento import apply_batimento
from atom_pipeline.rules.enrichment import apply_garantias, apply_parcelas, apply_refin
from atom_pipeline.rules.exclusao import apply_exclusao
from atom_pipeline.rules.guards import (
    Guard,
    Verdict,
    judge_acordos,
    judge_batimento,
    judge_exclusao,
    judge_remessa,
    promote,
)
from atom_pipeline.rules.remessa import apply_remessa
from atom_pipeline.rules.shapes import starting_table
from atom_pipeline.rules.state import Rows, Step, ignoradas_of_day, in_memory
from atom_pipeline.rules.telefones import apply_telefones
from resources.lake import Written
from resources.ledger_records import VerdictRecord
from resources.runtime import PortfolioRuntime

Received = dict[str, Rows]
CHANGES = ("movimentos", "ignoradas", "sinalizadas")
ORIGIN = "origem"
CLOSING_ORIGIN = "etapas/fechamento_origem"
ORIGIN_SCHEMA = {"origem": pl.String, "sha256": pl.String}
DECISIONS = "decisões"


@dataclass(frozen=True)
class StepPlan:
    """One step: the file it applies, the tables it reads and writes, in the order of a day.

    ``tables`` are those of the base that have their final form after this step; ``contratos`` is handed from step to
    step under the step's own name, and becomes final when the day is closed.
    """

    stage: Stage
    tables: tuple[str, ...]
    changes_contratos: bool
    guarded: bool = False
    waits: bool = False  # R021: needs other files of the day
    description: str = ""
    rules: tuple[str, ...] = ()


@dataclass(frozen=True)
class Applied:
    """A step that was made: its tables, whether its file came, what it waits for, and the guard's verdict."""

    step: Step
    came: bool
    waits: tuple[str, ...] = ()
    verdict: VerdictRecord | None = None

    @property
    def held(self) -> bool:
        return self.verdict is not None and self.verdict.stands_in_the_way


STEPS: tuple[StepPlan, ...] = (
    StepPlan(
        Stage.REMESSA,
        ("cadastro",),
        changes_contratos=True,
        guarded=True,
        description="Alta, atualização e retorno de contratos; ignora quem está no bloqueio de 3 dias.",
        rules=("R004", "R020", "UC001"),
    ),
    StepPlan(
        Stage.PARCELAS,
        ("parcelas_abertas",),
        changes_contratos=False,
        description="Parcelas em aberto: o conjunto mais novo de um contrato substitui o anterior.",
        rules=("R005", "UC002"),
    ),
    StepPlan(
        Stage.GARANTIAS,
        ("garantias",),
        changes_contratos=False,
        description="Garantias dos contratos, os três tipos: o conjunto mais novo substitui o anterior.",
        rules=("R006", "R007", "R008", "R009", "UC002"),
    ),
    StepPlan(
        Stage.TELEFONES,
        ("telefones_contato",),
        changes_contratos=False,
        description="Telefones de contato: os da remessa, depois os de enriquecimento, na ordem de chegada.",
        rules=("R023", "R024", "R025", "UC002"),
    ),
    StepPlan(
        Stage.REFIN,
        ("refin_vigente",),
        changes_contratos=False,
        description="Oferta de refinanciamento vigente: a linha mais nova substitui a anterior inteira.",
        rules=("R026", "R027", "R029", "UC002"),
    ),
    StepPlan(
        Stage.ACORDOS,
        ("acordos",),
        changes_contratos=True,
        guarded=True,
        description="Acordos novos põem o contrato em BLOQUEIO PARCIAL.",
        rules=("R010", "R015", "R017", "R019", "UC004"),
    ),
    StepPlan(
        Stage.EXCLUSAO,
        (),
        changes_contratos=True,
        guarded=True,
        description="O banco retira o contrato da cobrança.",
        rules=("R011", "UC005"),
    ),
    StepPlan(
        Stage.BATIMENTO,
        (),
        changes_contratos=True,
        guarded=True,
        waits=True,
        description="Baixa o que está na base aberta e não está no batimento, fora da janela do bloqueio.",
        rules=("R016", "R021", "R022", "UC006"),
    ),
)


WIDE = (Stage.REMESSA, Stage.PARCELAS, Stage.GARANTIAS)  # their rows and tables are read some at a time


def received(runtime: PortfolioRuntime, day: date, stage: Stage) -> Received | None:
    """The day's accepted rows of a stage by layout; None when no file of the stage was loaded."""
    out: Received = {}
    for layout in runtime.layouts(stage):
        files = runtime.lake.read(f"arquivos/{layout.layout}", day)
        if files.filter(pl.col("situacao") == Outcome.LOADED.value).height:
            read = runtime.lake.scan if stage in WIDE else runtime.lake.read
            out[layout.layout] = read(f"recebido/{layout.layout}", day)
    return out or None


def previous_table(runtime: PortfolioRuntime, day: date, table: str) -> pl.LazyFrame:
    """A table of the base that the day starts from, in today's shape; empty when the day is the first."""
    opening = runtime.lake.read("abertura", day)
    before = opening["dia_anterior"].item() if opening.height else None
    return starting_table(
        table,
        None if before is None else runtime.lake.scan(table, before),
        day=day,
        portfolio=runtime.portfolio,
        layouts=runtime.layouts(),
    ).lazy()


def contratos_before(runtime: PortfolioRuntime, day: date, plan: StepPlan) -> pl.DataFrame:
    """`contratos` as the last step before this one left it."""
    for earlier in reversed(STEPS[: STEPS.index(plan)]):
        if earlier.changes_contratos:
            return runtime.lake.read(step_table(earlier, "contratos"), day)
    return previous_table(runtime, day, "contratos").collect()


def step_table(plan: StepPlan, table: str) -> str:
    """Where a step leaves a table that only the next steps and the closing of the day read."""
    return f"etapas/{plan.stage.value}_{table}"


def files_read(runtime: PortfolioRuntime, day: date, *stages: Stage) -> list[FileIdentity]:
    """The day's files as the receiving assets read them, of some stages or of all: what the tables are made from.

    The ledger may know of newer ones already: those make the day stale, never part of what was made.
    """
    out: list[FileIdentity] = []
    for layout in runtime.layouts(*stages):
        out += runtime.lake.read(f"arquivos/{layout.layout}", day).select("layout", "arquivo", "sha256").rows()
    return sorted(out)


def origin_of_step(runtime: PortfolioRuntime, day: date, plan: StepPlan) -> pl.DataFrame:
    """What a step's tables are made from: the opening, the tables before it, its files, the decisions."""
    sources = ["abertura"]
    earlier = [step for step in STEPS[: STEPS.index(plan)] if step.changes_contratos]
    sources += [step_table(earlier[-1], "contratos")] if earlier else []
    sources += ["cadastro"] if plan.stage is Stage.TELEFONES else []
    rows = [(source, runtime.lake.sha256(source, day)) for source in sources]
    rows += [(f"{layout} {name}", sha256) for layout, name, sha256 in files_read(runtime, day, plan.stage)]
    rows.append((DECISIONS, decisions_fingerprint(runtime.taken(day))))
    return pl.DataFrame(rows, schema=ORIGIN_SCHEMA, orient="row")


def origin_of_closing(runtime: PortfolioRuntime, day: date) -> pl.DataFrame:
    """What the closing's tables are made from: every step as it was made, and every file as it was read."""
    tables = [step_table(plan, ORIGIN) for plan in STEPS]
    rows = [(table, runtime.lake.sha256(table, day)) for table in tables]
    rows += [(f"{layout} {name}", sha256) for layout, name, sha256 in files_read(runtime, day)]
    return pl.DataFrame(rows, schema=ORIGIN_SCHEMA, orient="row")


def decisions_applied(runtime: PortfolioRuntime, day: date) -> str:
    """The decisions that every step of the day obeyed. Raises AtomError when a step is not of this day's making.

    A step that was made from other files, from another state of the base or under other decisions than the ones beside
    it must be made again: its tables and theirs do not belong to one base.
    """
    obeyed: set[str] = set()
    for plan in STEPS:
        made = dict(runtime.lake.read(step_table(plan, ORIGIN), day).iter_rows())
        now = dict(origin_of_step(runtime, day, plan).iter_rows())
        obeyed.add(made.pop(DECISIONS))
        now.pop(DECISIONS)
        if made != now:
            changed = sorted(name for name in made.keys() | now.keys() if made.get(name) != now.get(name))
            raise AtomError(
                f"etapa_{plan.stage.value} of {day:%Y-%m-%d} was made from other inputs than there are now "
                f"({', '.join(changed)}): run the whole day, or materialize that step and those after it"
            )
    if len(obeyed) > 1:
        raise AtomError(f"a decision about {day:%Y-%m-%d} was taken while the day was made: run the day again")
    return obeyed.pop()


def apply_step(runtime: PortfolioRuntime, day: date, plan: StepPlan) -> Applied:
    """One step of a day: what it makes of the base, judged; or the base as it was, and why.

    The verdict is recorded before the caller writes anything. Nothing is written here.
    """
    rows = received(runtime, day, plan.stage)
    waits = runtime.batimento_waits(day) if plan.waits and rows is not None else []
    if plan.guarded:
        if rows is None or waits:
            return Applied(_unchanged(runtime, day, plan), came=rows is not None, waits=tuple(waits))
        step, verdict = _judged(runtime, day, plan, rows)
        layouts = {layout.layout for layout in runtime.layouts(plan.stage)}
        files = step_fingerprint(files_read(runtime, day, plan.stage), layouts)
        fingerprint = verdict_fingerprint(files, _base_judged(runtime, day, plan))
        recorded = runtime.ledger.record_verdict(
            day, verdict.guard.value, fingerprint, held=verdict.held, numbers=verdict.numbers, message=verdict.message
        )
        released = [verdict.guard] if recorded.released_by is not None else []
        return Applied(promote(step, verdict, released), came=True, verdict=recorded)
    return Applied(_enriched(runtime, day, plan, rows or {}), came=rows is not None)


def _base_judged(runtime: PortfolioRuntime, day: date, plan: StepPlan) -> str:
    """Identity of the contracts that a step is applied to."""
    earlier = [step for step in STEPS[: STEPS.index(plan)] if step.changes_contratos]
    return runtime.lake.sha256(step_table(earlier[-1], "contratos") if earlier else "abertura", day)


def _judged(runtime: PortfolioRuntime, day: date, plan: StepPlan, rows: Received) -> tuple[Step, Verdict]:
    contratos = contratos_before(runtime, day, plan)
    portfolio = runtime.portfolio
    match plan.stage:
        case Stage.REMESSA:
            cadastro = previous_table(runtime, day, "cadastro")
            step = apply_remessa(contratos, cadastro, rows, day=day, portfolio=portfolio)
            return step, judge_remessa(contratos, rows, remessas_before(runtime, day), portfolio=portfolio)
        case Stage.ACORDOS:
            acordos = previous_table(runtime, day, "acordos").collect()
            step = apply_acordos(contratos, acordos, rows, day=day, portfolio=portfolio)
            return step, judge_acordos(step, portfolio=portfolio)
        case Stage.EXCLUSAO:
            step = apply_exclusao(contratos, rows, day=day, portfolio=portfolio)
            return step, judge_exclusao(step, portfolio=portfolio)
        case Stage.BATIMENTO:
            step = apply_batimento(contratos, rows, day=day, portfolio=portfolio)
            return step, judge_batimento(step, rows, portfolio=portfolio)
        case _:
            raise ProgramError(f"no guard judges the stage {plan.stage}")


def _enriched(runtime: PortfolioRuntime, day: date, plan: StepPlan, rows: Received) -> Step:
    """Enrichment changes no situacao and is not judged; several layouts of a stage act one after the other."""
    if not rows and plan.stage is not Stage.TELEFONES:  # the remessa brings phones as well
        return Step({table: previous_table(runtime, day, table) for table in plan.tables})
    contratos = contratos_before(runtime, day, plan)
    digits = runtime.portfolio.contrato_digits
    table = plan.tables[0]
    before = previous_table(runtime, day, table)
    step = Step({table: before if plan.stage in WIDE else before.collect()})
    parts: list[Step] = []
    if plan.stage is Stage.TELEFONES:
        cadastro = runtime.lake.scan("cadastro", day)
        types = runtime.remessa_codes(day, "telefone")
        files: list[tuple[str, Rows | None]] = [*sorted(rows.items())] or [("", None)]
        for name, phones in files:
            step = apply_telefones(
                in_memory(step.tables[table]),
                contratos,
                cadastro,
                None if phones is None else in_memory(phones),
                day=day,
                layout_name=name,
                types=types,
                digits=digits,
            )
            parts.append(step)
    else:
        apply = {
            Stage.PARCELAS: apply_parcelas,
            Stage.GARANTIAS: apply_garantias,
            Stage.REFIN: apply_refin,
        }[plan.stage]
        for name, frame in sorted(rows.items()):
            step = apply(step.tables[table], contratos, frame, day=day, layout_name=name, digits=digits)
            parts.append(step)
    return Step(step.tables, ignoradas=ignoradas_of_day(part.ignoradas for part in parts))


def _unchanged(runtime: PortfolioRuntime, day: date, plan: StepPlan) -> Step:
    """The tables of a step that does not run, as they came."""
    tables = {table: previous_table(runtime, day, table) for table in plan.tables}
    return Step(tables | {"contratos": contratos_before(runtime, day, plan)})


def remessas_before(runtime: PortfolioRuntime, day: date) -> list[int]:
    """Contracts of the remessas applied on earlier days, newest first, as their verdicts recorded them."""
    out: list[int] = []
    for base in reversed(runtime.ledger.bases(last=day)):
        if base.day >= day:
            continue
        verdicts = [v for v in runtime.ledger.verdicts(base.day) if v.guard == Guard.REMESSA.value]
        if verdicts and not verdicts[-1].stands_in_the_way:
            out.append(int(verdicts[-1].numbers["contratos"]))
        if len(out) == runtime.portfolio.guards.remessas_compared:
            break
    return out


def write_step(
    runtime: PortfolioRuntime, day: date, plan: StepPlan, applied: Applied, origin: pl.DataFrame
) -> dict[str, Written]:
    """Leave a step's tables in the lake, what they are made from last; returns what was written by table."""
    step = applied.step
    written = {
        table: runtime.lake.write(table if table in plan.tables else step_table(plan, table), day, frame)
        for table, frame in step.tables.items()
    }
    for name in CHANGES:
        runtime.lake.write(step_table(plan, name), day, getattr(step, name))
    runtime.lake.write(step_table(plan, ORIGIN), day, origin)
    return written
