"""Days in small, for the tests of the report."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from atom_pipeline.day import Expected, Status
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

DAY = date(2026, 11, 19)
MORNING = datetime(2026, 11, 19, 3, 10, tzinfo=ZoneInfo("America/Sao_Paulo"))
REMESSA = "remessa_assessoria"


def before(count: int, **values: Any) -> list[LayoutBefore]:
    """A layout's days before: 1000 rows of which 2 refused, unless others are given."""
    return [
        replace(LayoutBefore(DAY - timedelta(days=ago), 1000, 2, {"CPF_CNPJ": 2}), **values)
        for ago in range(count, 0, -1)
    ]


def totals(ago: int = 0, **values: Any) -> Totals:
    made = Totals(
        DAY - timedelta(days=ago),
        {"ATIVO": 1000 + ago, "BLOQUEIO PARCIAL": 50},
        {"ALTA": 20, "RETIRADA": 5, "BAIXA_BATIMENTO": 14},
        mailing=980,
        without_phone=20,
    )
    return replace(made, **values)


def quiet(**values: Any) -> Facts:
    """A day on which nothing is unusual, after five alike."""
    file = FileOfDay(REMESSA, "20261118_190000_remessa_528_out.528", "CARREGADO", MORNING, 1000, 998, 2)
    day = Facts(
        portfolio="Banco de teste",
        day=DAY,
        made=True,
        complete=True,
        expected=(Expected("remessa", (REMESSA,), Status.LOADED, MORNING, True, (file.name,)),),
        files=(replace(file, reasons={"CPF_CNPJ": 2}),),
        guards=(GuardOfDay("batimento", False, False, "O batimento fecharia 14 contratos", 0.014, 0.3),),
        waves=(WaveOfDay("2026-11-19/01", "carga", "sent", 980, MORNING, ""),),
        totals=totals(),
        transitions=(
            Transition("ALTA", None, "ATIVO", 15),
            Transition("REATIVACAO", "RETIRADO", "ATIVO", 5),
            Transition("BLOQUEIO", "ATIVO", "BLOQUEIO PARCIAL", 4),
            Transition("ALTA", "BLOQUEIO PARCIAL", "ATIVO", 2),
            Transition("RETIRADA", "ATIVO", "RETIRADO", 5),
            Transition("BAIXA_BATIMENTO", "ATIVO", "BAIXADO", 14),
        ),
        history=tuple(totals(ago) for ago in range(5, 0, -1)),
        layouts_before={REMESSA: before(5)},
        mailing=Mailing(
            (("a) 1 a 30", 600, 590), ("b) 31 a 60", 400, 390)),
            {1: 500, 2: 480},
            {"celular": 1200, "Enriquecimento": 260},
            {None: 400, 35: 560, 90: 500},
            7,
        ),
        required=frozenset({REMESSA}),
    )
    return replace(day, **values)


def hard() -> Facts:
    """A day on which much went wrong: a refused file, a held batimento, one that is late, a decision."""
    day = quiet()
    refused = FileOfDay(
        "remessa_parcelas",
        "20261118_190500_parc_528_out.528",
        "RECUSADO",
        MORNING,
        code="TAMANHO",
        refusal="todas as 970 linhas têm 131 bytes, e o layout diz 130 <conferir>",
    )
    return replace(
        day,
        complete=False,
        files=(*day.files, refused),
        expected=(
            *day.expected,
            Expected("parcelas", ("remessa_parcelas",), Status.REFUSED, MORNING, True, (refused.name,)),
            Expected("acordos", ("acordos_baixados",), Status.LATE, MORNING, True, ()),
            Expected("refin", ("refin",), Status.WAITING, None, False, ()),
        ),
        guards=(GuardOfDay("batimento", True, False, "O batimento fecharia 520 de 1.050 contratos", 0.495, 0.3),),
        decisions=(DecisionOfDay("send-now", "marcia", "O banco confirmou por telefone", MORNING),),
        waves=(WaveOfDay("2026-11-19/01", "carga", "sent", 980, MORNING, "enviada sem: parcelas: recusado"),),
        messages={"aceito": 120, "incerto": 3},
    )
