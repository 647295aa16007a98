"""Many random days of random files, folded by the rules and by the slow reference: after each day both must agree.

``ATOM_TEST_PROFILE=heavy`` runs many more and longer histories.
"""

from __future__ import annotations

import os
from collections import Counter
from datetime import date, timedelta
from random import Random
from typing import Any

import polars as pl
from histories import DAY, GUARDS, LAYOUTS, PORTFOLIOS, STARTS, Day, as_files, busy_day, received
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from reference import ATIVO, BAIXADO, BLOQUEADO, RETIRADO, Events, Reference

from atom_pipeline.portfolio import BlockBy, Portfolio
from atom_pipeline.rules.fold import FoldedDay, fold_day

HEAVY = os.environ.get("ATOM_TEST_PROFILE") == "heavy"
TABLE: set[tuple[str | None, ...]] = {
    ("ALTA", None, ATIVO),
    ("ALTA", BLOQUEADO, ATIVO),
    ("ATUALIZACAO", ATIVO, ATIVO),
    ("REATIVACAO", RETIRADO, ATIVO),
    ("REATIVACAO", BAIXADO, ATIVO),
    ("IGNORADO_BLOQUEIO", BLOQUEADO, BLOQUEADO),
    ("IGNORADO_BLOQUEIO", RETIRADO, RETIRADO),
    ("IGNORADO_BLOQUEIO", BAIXADO, BAIXADO),
    ("BLOQUEIO", ATIVO, BLOQUEADO),
    ("BLOQUEIO", BLOQUEADO, BLOQUEADO),
    ("ACORDO_REGISTRADO", RETIRADO, RETIRADO),
    ("ACORDO_REGISTRADO", BAIXADO, BAIXADO),
    ("RETIRADA", ATIVO, RETIRADO),
    ("RETIRADA", BLOQUEADO, RETIRADO),
    ("RETIRADA", BAIXADO, RETIRADO),
    ("BAIXA_BATIMENTO", ATIVO, BAIXADO),
    ("BAIXA_BATIMENTO", BLOQUEADO, BAIXADO),
    ("acordos", "CONTRATO_FORA_DA_BASE"),
    ("acordos", "MOTIVO_NAO_BLOQUEIA"),
    ("exclusao", "CONTRATO_FORA_DA_BASE"),
    ("batimento", "CONTRATO_FORA_DA_BASE"),
    ("batimento", "OUTRA_CARTEIRA"),
    *(("held", guard) for guard in GUARDS),
    *(("released", guard) for guard in GUARDS),
}


def assert_same_day(folded: FoldedDay, reference: Reference, events: Events, stopped: set[str]) -> None:
    """Base, events and verdicts of a day agree."""
    tables = folded.tables
    assert {verdict.guard.value for verdict in folded.verdicts if verdict.held} == stopped
    contratos = tables["contratos"].sort("contrato")  # a base that no step touches passes as it came: here, shuffled
    columns = ("contrato", "cpf_cnpj", "situacao", "situacao_desde", "bloqueado_em", "primeira_alta", "ultima_remessa")
    expected = sorted(reference.base.contratos.values(), key=lambda known: known.contrato)
    assert contratos.select(columns).rows() == [
        tuple(getattr(known, column) for column in columns) for known in expected
    ]
    assert contratos["valor"].to_list() == [known.values["valor"] for known in expected]
    assert dict(tables["fichas"].select("cpf_cnpj", "status").rows()) == reference.base.fichas()
    assert_same_acordos(tables["acordos"], reference)
    moved = tables["movimentos"].select(
        "contrato", "movimento", "situacao_antes", "situacao_depois", "arquivo", "linha"
    )
    if reference.portfolio.block.by is BlockBy.CLIENTE:  # the table does not say which of a client's acordos names each
        assert {row[:2] for row in moved.rows()} == {event[:2] for event in events.movimentos}
    else:
        assert without_origin_of_baixas(moved.rows()) == sorted(events.movimentos, key=lambda event: event[0])
        blocked = contratos.filter(situacao=BLOQUEADO)
        assert dict(blocked.select("contrato", "numero_acordo").rows()) == {
            known.contrato: known.numero_acordo for known in expected if known.situacao == BLOQUEADO
        }
    ignored = tables["ignoradas"].select("layout", "arquivo", "linha", "contrato", "motivo")
    assert Counter(ignored.rows()) == Counter(events.ignoradas)


def without_origin_of_baixas(rows: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """A baixa comes from a row that is not there, so its file and line prove nothing."""
    return [(*row[:4], None, None) if row[1] == "BAIXA_BATIMENTO" else row for row in rows]


def assert_same_acordos(acordos: pl.DataFrame, reference: Reference) -> None:
    """Each blocking acordo with its first day; those that never blocked with theirs."""
    rows = acordos.select("contrato", "numero_acordo", "parcela", "bloqueia", "primeiro_dia").rows()
    got = {row[:3]: row[4] for row in rows if row[3]}
    parked = {row[:3]: row[4] for row in rows if not row[3]}
    blocking = {(*key[:2], str(key[2])): day for key, day in reference.base.blocking.items()}
    without_block = {(*key[:2], str(key[2])): day for key, day in reference.base.without_block.items()}
    assert got == blocking
    assert {key: day for key, day in parked.items() if key not in got} == {
        key: day for key, day in without_block.items() if key not in blocking
    }


def assert_history(its_portfolio: Portfolio, start: date, days: list[Day]) -> Counter[tuple[str | None, ...]]:
    """Fold the days both ways and compare after each. Gives the rows of the table that were met, and how often."""
    reference = Reference(its_portfolio)
    tables: dict[str, pl.DataFrame] = {}
    remessas: list[int] = []
    met: Counter[tuple[str | None, ...]] = Counter()
    day = start
    for number, drawn in enumerate(days):
        day += timedelta(days=drawn.gap)
        files = as_files(day, drawn, arrived=100 * number)
        events, stopped = reference.day(day, files, set(drawn.decisions), remessas)
        folded = fold_day(
            {name: table.sample(fraction=1, shuffle=True, seed=drawn.seed) for name, table in tables.items()},
            received(files, drawn.seed),
            day=day,
            portfolio=its_portfolio,
            layouts=LAYOUTS,
            decisions=drawn.decisions,
            previous_remessas=remessas,
        )
        assert_same_day(folded, reference, events, stopped)
        if files.get("remessa") and ("remessa" not in stopped or "release-remessa" in drawn.decisions):
            remessas = [len({row["contrato"] for file in files["remessa"] for row in file.rows}), *remessas]
        tables = folded.tables
        met.update(event[1:4] for event in events.movimentos)
        met.update((layout_name, motivo) for layout_name, _, _, _, motivo in events.ignoradas)
        met.update(("held", stage) for stage in stopped if f"release-{stage}" not in drawn.decisions)
        met.update(("released", stage) for stage in stopped if f"release-{stage}" in drawn.decisions)
    return met


@settings(
    max_examples=600 if HEAVY else 20,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example],
)
@given(
    kind=st.sampled_from(sorted(PORTFOLIOS)),
    start=st.sampled_from(STARTS),
    days=st.lists(DAY, min_size=4, max_size=12 if HEAVY else 8),
)
def test_any_days_of_any_files_give_the_base_that_the_table_gives(kind: str, start: date, days: list[Day]) -> None:
    assert_history(PORTFOLIOS[kind], start, days)


def test_busy_months_agree_too_and_meet_every_row_of_the_table() -> None:
    met: Counter[tuple[str | None, ...]] = Counter()
    for number, its_portfolio in enumerate(PORTFOLIOS.values()):
        dice = Random(200 + number)  # of these the days soon meet every row
        for start in STARTS:
            met += assert_history(its_portfolio, start, [busy_day(dice) for _ in range(60 if HEAVY else 14)])
    never = TABLE - met.keys()
    assert never == set()
