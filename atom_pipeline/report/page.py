"""The report as one page that opens without a server, and as a few lines of Markdown for the UI.

Only putting together belongs here: what is worth a look is in ``findings``, pictures in ``charts``, the look in
``templates``. A page asks for nothing outside itself and runs no script.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from atom_pipeline.report import numbers
from atom_pipeline.report.charts import Bar, Picture, bars, history, waterfall
from atom_pipeline.report.facts import Facts, Totals, Transition
from atom_pipeline.report.findings import MOST, Finding
from atom_pipeline.report.numbers import integer, percent
from atom_pipeline.rules.state import OPEN, Movimento, Situacao

TEMPLATES = Path(__file__).parent / "templates"
ATIVO, BLOQUEIO = Situacao.ATIVO.value, Situacao.BLOQUEIO_PARCIAL.value
BANDS = 5
WEEKDAYS = ("segunda-feira", "terça-feira", "quarta-feira", "quinta-feira", "sexta-feira", "sábado", "domingo")


@dataclass(frozen=True)
class Flow:
    """Where the ATIVO contracts of the day before went, and from where those of the day came."""

    entered: int = 0
    returned: int = 0
    released: int = 0
    blocked: int = 0
    retired: int = 0
    closed: int = 0
    retired_blocked: int = 0  # out of the block, without ever being ATIVO again
    closed_blocked: int = 0


def flow(transitions: Sequence[Transition]) -> Flow:
    """The day's transitions by what they are to an operator; a contract counts at each of its movimentos."""

    def contracts(after: str, *before: str | None, movimento: Movimento | None = None) -> int:
        return sum(
            one.contracts
            for one in transitions
            if one.after == after and one.before in before and movimento in (None, Movimento(one.movimento))
        )

    gone = (Situacao.RETIRADO.value, Situacao.BAIXADO.value)
    return Flow(
        entered=contracts(ATIVO, None),
        returned=contracts(ATIVO, *gone),
        released=contracts(ATIVO, BLOQUEIO),
        blocked=contracts(BLOQUEIO, ATIVO),
        retired=contracts(Situacao.RETIRADO.value, ATIVO),
        closed=contracts(Situacao.BAIXADO.value, ATIVO),
        retired_blocked=contracts(Situacao.RETIRADO.value, BLOQUEIO),
        closed_blocked=contracts(Situacao.BAIXADO.value, BLOQUEIO),
    )


def score_bands(scores: dict[int | None, int]) -> dict[str, int]:
    """Phones by score in five bands of equal width, up to the next power of ten; those without one come last."""
    known = {score: count for score, count in scores.items() if score is not None}
    out: dict[str, int] = {}
    if known:
        top = 10 ** len(str(max(max(known) - 1, 1)))
        width = max(top // BANDS, 1)
        for band in range(BANDS):
            low, last = band * width, band == BANDS - 1
            high = top if last else low + width - 1
            out[f"{low} a {high}"] = sum(count for score, count in known.items() if low <= score <= high)
    if None in scores:
        out["sem nota"] = scores[None]
    return out


def report_page(facts: Facts, found: Sequence[Finding]) -> str:
    """The page. ``found`` are the day's findings, the weightiest first."""
    moved = flow(facts.transitions)
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            facts=facts,
            found=found[:MOST],
            left=max(len(found) - MOST, 0),
            most=MOST,
            weekday=WEEKDAYS[facts.day.weekday()],
            state="completa" if facts.complete else "provisória" if facts.made else "não feita",
            flow=moved,
            flow_picture=_flow_picture(facts, moved),
            history_picture=_history_picture(facts),
            faixas_picture=_faixas_picture(facts),
            phones_picture=_picture(
                {numbers.plural(number, "telefone", "telefones"): n for number, n in facts.mailing.phones.items()},
                "Contratos do mailing por quantidade de telefones",
            ),
            kinds_picture=_picture(dict(facts.mailing.kinds), "Telefones do mailing por tipo"),
            scores_picture=_picture(score_bands(dict(facts.mailing.scores)), "Telefones do mailing por faixa de nota"),
            reasons=_reasons(facts),
            phones_in_all=sum(number * count for number, count in facts.mailing.phones.items()),
        )
    )


def summary(facts: Facts, found: Sequence[Finding]) -> str:
    """The report in a few lines of Markdown."""
    state = "completa" if facts.complete else "provisória" if facts.made else "não feita"
    lines = [f"**{facts.portfolio}, {numbers.day_of(facts.day)}**: base {state}"]
    if facts.totals:
        lines[0] += f", {integer(facts.totals.open_base)} contratos abertos, {integer(facts.totals.mailing)} no mailing"
    lines += [f"{place}. **{_plain(one.title)}**: {_plain(one.numbers)}" for place, one in enumerate(found[:MOST], 1)]
    if not found:
        lines.append("Nada que peça atenção.")
    return "\n\n".join([lines[0], "\n".join(lines[1:])])


def _plain(text: str) -> str:
    """Words as Markdown shows them, whatever signs a file's message has."""
    return "".join(f"\\{sign}" if sign in "\\`*_[]<>|#" else sign for sign in " ".join(text.split()))


def _flow_picture(facts: Facts, moved: Flow) -> Picture | None:
    if facts.totals is None:
        return None
    before = facts.previous
    steps = [
        Bar("Altas", moved.entered),
        Bar("Reativados", moved.returned),
        Bar("Liberados do bloqueio", moved.released),
        Bar("Bloqueados por acordo", -moved.blocked),
        Bar("Retirados (exclusão)", -moved.retired),
        Bar("Baixados (batimento)", -moved.closed),
    ]
    start = before.active if before else 0
    name = f"Ativos em {before.day:%d/%m}" if before else "Antes"
    last = Bar(f"Ativos em {facts.day:%d/%m}", facts.totals.active, total=True)
    told = ", ".join(f"{step.label.lower()} {numbers.signed(step.value)}" for step in steps)
    alt = f"{name}: {integer(start)}; {told}; {last.label.lower()}: {integer(last.value)}."
    return waterfall([Bar(name, start, total=True), *steps, last], alt)


def _history_picture(facts: Facts) -> Picture | None:
    if facts.totals is None:
        return None
    days = [*facts.history, facts.totals]
    if len(days) < 2:
        return None
    entered = [_moved(one, Movimento.ALTA, Movimento.REATIVACAO) for one in days]
    left = [_moved(one, Movimento.RETIRADA, Movimento.BAIXA_BATIMENTO) for one in days]
    alt = (
        f"Base aberta de {numbers.day_of(days[0].day)} a {numbers.day_of(days[-1].day)}: de "
        f"{integer(days[0].open_base)} a {integer(days[-1].open_base)} contratos; no último dia entraram "
        f"{integer(entered[-1])} e saíram {integer(left[-1])}."
    )
    return history(days, entered, left, alt)


def _moved(totals: Totals, *movimentos: Movimento) -> int:
    return sum(totals.movimentos.get(one.value, 0) for one in movimentos)


def _faixas_picture(facts: Facts) -> Picture | None:
    faixas = [one for one in facts.mailing.by_faixa if one[1]]
    if not faixas:
        return None
    told = "; ".join(f"{name}: {integer(mailed)} de {integer(active)}" for name, active, mailed in faixas)
    return bars(
        {name: mailed for name, _active, mailed in faixas},
        f"Contratos no mailing por faixa de atraso. {told}.",
        parts={name: active - mailed for name, active, mailed in faixas},
        other="sem telefone",
    )


def _picture(values: dict[str, int], title: str) -> Picture | None:
    if not sum(values.values()):
        return None
    return bars(values, f"{title}. " + "; ".join(f"{name}: {integer(count)}" for name, count in values.items()) + ".")


def _reasons(facts: Facts) -> list[tuple[str, str, int, str]]:
    """(file, what became of the rows, how many, reasons with their rows, the most rows first)."""
    out: list[tuple[str, str, int, str]] = []
    for file in facts.files:
        for what, counts in (("recusadas", file.reasons), ("ignoradas", file.aside), ("sinalizadas", file.flags)):
            if counts:
                told = "; ".join(f"{reason} {integer(count)}" for reason, count in Counter(counts).most_common())
                out.append((file.name, what, sum(counts.values()), told))
    return out


@lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "integer": integer,
        "percent": percent,
        "day": numbers.day_of,
        "moment": numbers.moment,
        "signed": numbers.signed,
        "svg": lambda picture: Markup(picture.svg),
    }
    environment.globals |= {"plural": numbers.plural, "OPEN": OPEN, "ATIVO": ATIVO, "BLOQUEIO": BLOQUEIO}
    return environment
