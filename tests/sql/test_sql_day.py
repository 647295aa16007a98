"""What an engineer reads of a day: blocks and their end, the base in numbers, the quality of files, the summary."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from atom_pipeline.calendar import block_window, released_on
from atom_pipeline.portfolio import Block
from atom_pipeline.sql import calendar_table

Result = Callable[..., pl.DataFrame]
BLOCKED = "BLOQUEIO PARCIAL"


def block(contrato: str, since: date | None, situacao: str = BLOCKED) -> dict[str, Any]:
    return {"contrato": contrato, "situacao": situacao, "bloqueado_em": since}


def calendar_rows(first: date, last: date, rule: Block | None = None) -> list[dict[str, Any]]:
    return calendar_table(first, last, rule or Block()).to_dicts()


def test_a_block_before_carnival_is_released_on_the_fourth_bank_day_after_it(result: Result) -> None:
    friday = date(2026, 2, 13)  # Carnival is on the 16th and 17th; the bank's days after it: 18, 19, 20, 23
    frame = result("bloqueados", {"dia": date(2026, 2, 20)}, contratos=[block("1", friday)])
    assert frame.select("dias_de_bloqueio", "no_prazo", "liberado_em").row(0) == (3, True, date(2026, 2, 23))


def test_on_the_day_of_its_release_a_block_is_over_and_still_listed(result: Result) -> None:
    frame = result("bloqueados", {"dia": date(2026, 2, 23)}, contratos=[block("1", date(2026, 2, 13))])
    assert frame.select("dias_de_bloqueio", "no_prazo", "liberado_em").row(0) == (4, False, date(2026, 2, 23))


@pytest.mark.parametrize(
    ("blocked", "released"),
    [
        (date(2026, 11, 18), date(2026, 11, 25)),  # 20 November is a holiday, then a weekend
        (date(2026, 12, 30), date(2027, 1, 6)),  # 31 December is a bank day of ANBIMA, 1 January is not
        (date(2026, 3, 7), date(2026, 3, 12)),  # a Saturday: the days after it count
    ],
)
def test_holidays_and_weekends_do_not_count_towards_a_release(result: Result, blocked: date, released: date) -> None:
    calendario = calendar_rows(blocked, blocked)
    frame = result("bloqueados", {"dia": blocked}, contratos=[block("1", blocked)], calendario=calendario)
    assert frame.select("dias_de_bloqueio", "liberado_em").row(0) == (0, released)


@pytest.mark.parametrize("rule", [Block(), Block(days=1), Block(calendar="calendar"), Block(days=7)])
def test_window_and_release_are_those_of_the_rules_on_every_day_of_a_year(result: Result, rule: Block) -> None:
    first, today = date(2026, 1, 1), date(2026, 12, 31)
    days = [first + timedelta(days=n) for n in range(365)]
    base = [block(f"{day}", day) for day in days]
    calendario = calendar_rows(first, today, rule)
    frame = result("bloqueados", {"dia": today, "dias_bloqueio": rule.days}, contratos=base, calendario=calendario)
    oldest = block_window(today, rule)
    expected = {day: (released_on(day, rule), oldest <= day) for day in days}
    found = {row[0]: row[1:] for row in frame.select("bloqueado_em", "liberado_em", "no_prazo").rows()}
    assert found == expected


def test_a_contract_that_left_the_base_is_listed_only_while_its_block_runs(result: Result) -> None:
    today = date(2026, 2, 20)
    base = [
        block("1", date(2026, 2, 18), "RETIRADO"),
        block("2", date(2026, 2, 2), "RETIRADO"),
        block("3", None, "ATIVO"),
        block("4", date(2026, 2, 2)),
        block("5", date(2026, 2, 13), "RETIRADO"),  # its third and last day
        block("6", date(2026, 2, 12), "RETIRADO"),
    ]
    frame = result("bloqueados", {"dia": today}, contratos=base)
    assert frame.select("contrato", "situacao", "no_prazo").rows() == [
        ("4", BLOCKED, False),
        ("5", "RETIRADO", True),
        ("1", "RETIRADO", True),
    ]


def test_a_day_that_the_calendar_lacks_leaves_the_release_empty_and_loses_no_contract(result: Result) -> None:
    base = [block("1", date(2026, 2, 18))]
    frame = result("bloqueados", {"dia": date(2026, 2, 20)}, contratos=base, calendario=[])
    assert frame.select("contrato", "no_prazo", "liberado_em").rows() == [("1", None, None)]


def test_the_base_is_counted_and_summed_by_situacao_and_faixa(result: Result) -> None:
    def row(contrato: str, situacao: str, cpf: str, days: int | None, total: str | None) -> dict[str, Any]:
        value = Decimal(total) if total else None
        return {
            "contrato": contrato,
            "situacao": situacao,
            "cpf_cnpj": cpf,
            "dias_atraso": days,
            "valor_total": value,
            "valor_vencido": value / 2 if value else None,
        }

    base = [
        row("1", "ATIVO", "A", 100, "10.50"),
        row("2", "ATIVO", "A", 91, "20.50"),
        row("3", "ATIVO", "B", 400, "1.00"),
        row("4", "ATIVO", "C", None, None),
        row("5", "ATIVO", "C", 0, "2.00"),
        row("6", "BAIXADO", "C", 100, "4.00"),
    ]
    frame = result("base_por_situacao_e_faixa", contratos=base)
    assert frame.drop("dia").rows() == [
        ("ATIVO", "em dia", 1, 1, Decimal("1.00"), Decimal("2.00")),
        ("ATIVO", "d) 91 a 120", 2, 1, Decimal("15.50"), Decimal("31.00")),
        ("ATIVO", "g) acima de 360", 1, 1, Decimal("0.50"), Decimal("1.00")),
        ("ATIVO", "não informada", 1, 1, Decimal("0.00"), Decimal("0.00")),
        ("BAIXADO", "d) 91 a 120", 1, 1, Decimal("2.00"), Decimal("4.00")),
    ]


def loaded(layout: str, arquivo: str, read: int, refused: int, **others: Any) -> dict[str, Any]:
    return {
        "layout": layout,
        "arquivo": arquivo,
        "situacao": "CARREGADO",
        "lidas": read,
        "aceitas": read - refused,
        "recusadas": refused,
        "substituidas": 0,
    } | others


def faults(layout: str, arquivo: str, *motives: str) -> list[dict[str, Any]]:
    return [
        {"layout": layout, "arquivo": arquivo, "linha": n, "motivo": motive}
        for n, motive in enumerate(motives, start=1)
    ]


def test_the_quality_of_a_file_says_what_was_refused_flagged_and_set_aside_and_why(result: Result) -> None:
    frame = result(
        "qualidade_arquivos",
        cargas=[
            loaded("remessa", "b.txt", 8, 3, substituidas=2),
            loaded("remessa", "a.txt", 10, 0),
            loaded("batimento", "c.csv", 0, 0, situacao="RECUSADO", motivo="VAZIO"),
        ],
        recusadas=faults("remessa", "b.txt", "CPF_CNPJ", "DATA", "CPF_CNPJ"),
        sinalizadas=faults("remessa", "a.txt", "DDD", "EMAIL"),
        ignoradas=faults("remessa", "a.txt", "IGNORADO_BLOQUEIO"),
    )
    columns = ["arquivo", "recusadas", "parte_recusada", "recusadas_por_motivo", "sinalizadas", "ignoradas"]
    assert frame.select(columns).rows() == [
        ("c.csv", 0, None, None, 0, 0),
        ("a.txt", 0, 0.0, None, 2, 1),
        ("b.txt", 3, 0.375, "CPF_CNPJ: 2; DATA: 1", 0, 0),
    ]
    assert frame["sinalizadas_por_motivo"].to_list() == [None, "DDD: 1; EMAIL: 1", None]
    assert frame["ignoradas_por_motivo"].to_list() == [None, "IGNORADO_BLOQUEIO: 1", None]
    assert frame.select("situacao", "motivo", "substituidas").rows()[0] == ("RECUSADO", "VAZIO", 0)


def test_two_layouts_with_a_file_of_one_name_do_not_share_their_refused_rows(result: Result) -> None:
    frame = result(
        "qualidade_arquivos",
        cargas=[loaded("email", "x.csv", 5, 1), loaded("sms", "x.csv", 5, 0)],
        recusadas=faults("email", "x.csv", "EMAIL"),
    )
    assert frame.select("layout", "recusadas_por_motivo").rows() == [("email", "EMAIL: 1"), ("sms", None)]


def test_the_summary_counts_the_day(result: Result) -> None:
    frame = result(
        "resumo_dia",
        contratos=[
            {"contrato": "1", "situacao": "ATIVO"},
            {"contrato": "2", "situacao": "ATIVO"},
            {"contrato": "3", "situacao": "BAIXADO"},
        ],
        telefones_contato=[
            {"contrato": "1", "telefone": f"1190000000{n}", "origem": "REMESSA", "ordem": n} for n in range(1, 10)
        ],
        movimentos=[{"contrato": "1", "movimento": "ALTA"}, {"contrato": "2", "movimento": "ALTA"}],
        cargas=[loaded("remessa", "a.txt", 10, 1, substituidas=4), loaded("remessa", "b.txt", 5, 0)],
        recusadas=faults("remessa", "a.txt", "DATA"),
        ignoradas=faults("remessa", "a.txt", "IGNORADO_BLOQUEIO", "IGNORADO_BLOQUEIO"),
        manager_atual=[{"contrato": "3", "id_crm": "X"}],
    )
    assert {(subject, item): number for subject, item, number in frame.drop("dia").rows()} == {
        ("ARQUIVOS", "CARREGADO"): 2,
        ("LINHAS", "LIDAS"): 15,
        ("LINHAS", "ACEITAS"): 14,
        ("LINHAS", "RECUSADAS"): 1,
        ("LINHAS", "IGNORADAS"): 2,
        ("LINHAS", "SUBSTITUIDAS"): 4,
        ("RECUSADAS", "DATA"): 1,
        ("IGNORADAS", "IGNORADO_BLOQUEIO"): 2,
        ("MOVIMENTOS", "ALTA"): 2,
        ("SITUACAO", "ATIVO"): 2,
        ("SITUACAO", "BAIXADO"): 1,
        ("MANAGER", "CONTRATOS NO MAILING"): 1,
        ("MANAGER", "CONTRATOS A BAIXAR"): 1,
        ("MANAGER", "CONTRATOS SEM TELEFONE"): 1,
        ("MANAGER", "TELEFONES QUE NAO COUBERAM"): 2,
    }
    assert frame["dia"].unique().to_list() == [date(2026, 3, 4)]


def test_an_empty_day_has_a_summary_of_zeros(result: Result) -> None:
    frame = result("resumo_dia")
    assert frame["quantidade"].sum() == 0
    assert frame.filter(pl.col("assunto") == "MANAGER").height == 4
