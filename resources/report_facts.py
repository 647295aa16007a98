"""What the report of a day is made of, read from the ledger and from small columns of the lake.

Questions only, each of the day's own tables once; of the days before, what the ledger and ``resumo_dia`` keep. People's
words and files' messages are masked here.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import date

import polars as pl

from atom_pipeline.masking import scrub
from atom_pipeline.report.facts import (
    DecisionOfDay,
    Facts,
    FileOfDay,
    GuardOfDay,
    LayoutBefore,
    Mailing,
    Totals,
    Transition,
    WaveOfDay,
)
from atom_pipeline.rules.state import Ignorada, Situacao
from resources.day_facts import Look, looking
from resources.ledger_records import LoadedFile
from resources.runtime import PortfolioRuntime

SUMMARY = "resumo_dia"
ENRICHED = "ENRIQUECIMENTO"


def report_facts(runtime: PortfolioRuntime, day: date) -> Facts:
    """The facts of a day, made or not; tables that are not there, or no longer, leave their part empty."""
    look = looking(runtime)
    limits = runtime.portfolio.report
    base = look.ledger.base(day)
    last = look.ledger.last_sent_wave()
    over = last is not None and last.day > day  # what stands in the way now is that a later day was sent
    history = _history(look, day, limits.history_days)
    compared = [one.day for one in history[-limits.compared_days :]]
    batimento = any(layout.stage.value == "batimento" for layout in look.layouts() if _came(look, day, layout.layout))
    totals = _totals(look, day) if base is not None else None
    return Facts(
        portfolio=runtime.portfolio.title,
        day=day,
        made=base is not None,
        complete=base is not None and base.complete,
        expected=tuple(look.expected(day)),
        files=tuple(_files(look, day)),
        guards=tuple(_guards(look, day)),
        waits=tuple(look.batimento_waits(day)) if batimento else (),
        decisions=tuple(
            DecisionOfDay(one.what, scrub(one.author), scrub(one.why), one.at.astimezone(look.zone))
            for one in look.ledger.decisions(day)
        ),
        waves=tuple(
            WaveOfDay(
                wave.label,
                wave.kind.value,
                wave.status.value,
                sum(file.rows for file in wave.files),
                wave.sent_at.astimezone(look.zone) if wave.sent_at else None,
                scrub(wave.note),
            )
            for wave in look.ledger.waves(day)
        ),
        not_sent=() if over else tuple(scrub(reason) for reason in look.sending(day).reasons),
        messages={status.value: count for status, count in look.ledger.message_counts(day).items()},
        totals=totals,
        transitions=tuple(_transitions(look, day)) if base is not None else (),
        history=tuple(history),
        layouts_before=_layouts_before(look, compared),
        mailing=_mailing(look, day) if totals is not None else Mailing(),
        base_hash=base.hash[:12] if base is not None else "",
        required=frozenset(
            layout for one in runtime.portfolio.expects if one.required_for_carga for layout in one.any_of
        ),
    )


def _came(look: Look, day: date, layout: str) -> bool:
    return bool(look.ledger.files(day, layout))


def _files(look: Look, day: date) -> list[FileOfDay]:
    outcomes = {file.name: file.outcome.value for file in look.day_files(day)}
    loads = {one.file.id: one.load for one in look.ledger.loads(day)}
    aside = _by_file(look, day, "ignoradas", pl.col("motivo"))
    flags = _by_file(look, day, "sinalizadas", pl.format("{} ({})", "motivo", "campo"))
    out = []
    for file in look.ledger.files(day):
        load = loads.get(file.id)
        refused = load is not None and load.outcome == "refused"
        out.append(
            FileOfDay(
                layout=file.layout,
                name=scrub(file.name),
                status=outcomes.get(file.name, ""),
                received=file.collected_at.astimezone(look.zone),
                read=load.rows_read if load else 0,
                accepted=load.rows_accepted if load else 0,
                refused=load.rows_refused if load else 0,
                reasons=dict(load.refused_by_reason) if load else {},
                aside=aside.get((file.layout, file.name), {}),
                flags=flags.get((file.layout, file.name), {}),
                version=file.version,
                code=load.code if load and refused else None,
                refusal=scrub(load.message or "") if load and refused else None,
            )
        )
    return out


def _by_file(look: Look, day: date, table: str, what: pl.Expr) -> dict[tuple[str, str], dict[str, int]]:
    """How many rows each file of the day has of each reason."""
    out: dict[tuple[str, str], dict[str, int]] = defaultdict(dict)
    if look.lake.exists(table, day):
        counted = look.lake.scan(table, day).group_by("layout", "arquivo", what.alias("o_que")).len().collect()
        for layout, name, reason, count in counted.sort("layout", "arquivo", "o_que").iter_rows():
            out[layout, name][reason] = count
    return out


def _guards(look: Look, day: date) -> list[GuardOfDay]:
    return [
        GuardOfDay(
            verdict.guard,
            verdict.held,
            verdict.released_by is not None,
            verdict.message,
            float(verdict.numbers.get("parte", 0)),
            float(verdict.numbers.get("limite", 0)),
        )
        for verdict in look.verdicts(day)
    ]


def _history(look: Look, day: date, count: int) -> list[Totals]:
    """The last days with a base before this one, oldest first, those of which the numbers are still kept."""
    days = [base.day for base in look.ledger.bases() if base.day < day][-count:]
    return [one for one in (_totals(look, before) for before in days) if one is not None]


def _totals(look: Look, day: date) -> Totals | None:
    if not look.lake.exists(SUMMARY, day):
        return None
    numbers: dict[str, dict[str, int]] = defaultdict(dict)
    for subject, item, count in look.lake.read(SUMMARY, day).select("assunto", "item", "quantidade").iter_rows():
        numbers[subject][item] = count
    manager = numbers["MANAGER"]
    return Totals(
        day,
        numbers["SITUACAO"],
        numbers["MOVIMENTOS"],
        mailing=manager.get("CONTRATOS NO MAILING", 0),
        without_phone=manager.get("CONTRATOS SEM TELEFONE", 0),
    )


def _transitions(look: Look, day: date) -> list[Transition]:
    if not look.lake.exists("movimentos", day):
        return []
    keys = ("movimento", "situacao_antes", "situacao_depois")
    counted = look.lake.scan("movimentos", day).group_by(keys).len().collect().sort(keys, nulls_last=False)
    return [Transition(*row) for row in counted.iter_rows()]


def _layouts_before(look: Look, days: Sequence[date]) -> dict[str, list[LayoutBefore]]:
    """What each layout's loaded files were on these days."""
    out: dict[str, list[LayoutBefore]] = defaultdict(list)
    for day in days:
        loaded: dict[str, list[LoadedFile]] = defaultdict(list)
        for one in look.ledger.loads(day):
            if one.load.outcome == "loaded":
                loaded[one.file.layout].append(one)
        aside = _by_file(look, day, "ignoradas", pl.col("motivo"))
        flags = _by_file(look, day, "sinalizadas", pl.format("{} ({})", "motivo", "campo"))
        for layout, ones in sorted(loaded.items()):
            out[layout].append(
                LayoutBefore(
                    day,
                    sum(one.load.rows_read for one in ones),
                    sum(one.load.rows_refused for one in ones),
                    _sum(one.load.refused_by_reason for one in ones),
                    _sum(flags.get((layout, one.file.name), {}) for one in ones),
                    sum(
                        count
                        for one in ones
                        for reason, count in aside.get((layout, one.file.name), {}).items()
                        if reason != Ignorada.IGNORADO_BLOQUEIO.value
                    ),
                )
            )
    return dict(out)


def _sum(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for one in counts:
        total.update(one)
    return dict(sorted(total.items()))


def _mailing(look: Look, day: date) -> Mailing:
    if not all(
        look.lake.exists(table, day)
        for table in ("manager_mailing", "telefones_posicionados", "base_por_situacao_e_faixa")
    ):
        return Mailing()
    mailing = look.lake.scan("manager_mailing", day)
    places = [name for name in mailing.collect_schema().names() if name.startswith("telefone_") and name[-4:] == "_ddd"]
    phones = pl.sum_horizontal(pl.col(places).is_not_null().cast(pl.Int64)) if places else pl.lit(0, pl.Int64)
    counted = mailing.select("faixa_atraso", phones.alias("telefones")).group_by("faixa_atraso", "telefones").len()
    by_faixa: Counter[str] = Counter()
    by_phones: Counter[int] = Counter()
    for faixa, number, count in counted.collect().iter_rows():
        by_faixa[faixa or "não informada"] += count
        by_phones[number] += count
    wanted = look.lake.read("base_por_situacao_e_faixa", day).filter(pl.col("situacao") == Situacao.ATIVO.value)
    active = dict(wanted.select("faixa_atraso", "contratos").iter_rows())
    kinds, scores, left_out = _phones(look, day)
    return Mailing(
        by_faixa=tuple((faixa, count, by_faixa.get(faixa, 0)) for faixa, count in active.items()),
        phones=dict(sorted(by_phones.items())),
        kinds=kinds,
        scores=scores,
        left_out=left_out,
    )


def _phones(look: Look, day: date) -> tuple[dict[str, int], Mapping[int | None, int], int]:
    """Phones in the mailing by tipo, those that came by file together, and by score; and those without a place."""
    tipo = pl.when(pl.col("origem") == ENRICHED).then(pl.lit("Enriquecimento")).otherwise(pl.col("tipo"))
    counted = (
        look.lake.scan("telefones_posicionados", day)
        .group_by(tipo.fill_null("sem tipo").alias("tipo"), "score", pl.col("lugar").is_null().alias("fora"))
        .len()
        .collect()
    )
    kinds: Counter[str] = Counter()
    scores: Counter[int | None] = Counter()
    left_out = 0
    for kind, score, outside, count in counted.iter_rows():
        if outside:
            left_out += count
            continue
        kinds[kind] += count
        scores[score] += count
    ordered = sorted(kinds.items(), key=lambda item: (-item[1], item[0]))
    return dict(ordered), dict(sorted(scores.items(), key=lambda item: (item[0] is not None, item[0] or 0))), left_out
