"""The mailing, the phones' places and the baixa: what the dialer is given and what is taken from it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

Result = Callable[..., pl.DataFrame]
TODAY = date(2026, 3, 4)


def contract(contrato: str, situacao: str = "ATIVO", **others: Any) -> dict[str, Any]:
    return {
        "contrato": contrato,
        "cpf_cnpj": f"cpf-{contrato}",
        "id_crm": f"crm-{contrato}",
        "situacao": situacao,
    } | others


def phones(contrato: str, remessa: int = 0, enrichment: int = 0) -> list[dict[str, Any]]:
    """So many phones of each origin, as the rules keep them: the remessa's first."""
    rows: list[dict[str, Any]] = []
    for n in range(1, remessa + enrichment + 1):
        enriched = n - remessa if n > remessa else None
        numero = f"9{n:08}"
        rows.append(
            {
                "contrato": contrato,
                "telefone": f"11{numero}",
                "ddd": "11",
                "numero": numero,
                "tipo": f"Enriquecimento {enriched}" if enriched else "Celular",
                "score": n * 10,
                "origem": "ENRIQUECIMENTO" if enriched else "REMESSA",
                "ordem": n,
                "enriquecimento": enriched,
            }
        )
    return rows


def places(frame: pl.DataFrame) -> dict[int, str]:
    """Place: number, of a mailing of one row."""
    row = frame.row(0, named=True)
    return {n: row[f"telefone_{n}_numero"] for n in range(1, 11) if row[f"telefone_{n}_numero"] is not None}


def test_a_phone_of_the_mailing_has_ddd_number_type_and_score(result: Result) -> None:
    frame = result("manager_mailing", contratos=[contract("1")], telefones_contato=phones("1", remessa=1))
    first = frame.select("telefone_1_ddd", "telefone_1_numero", "telefone_1_tipo", "telefone_1_score")
    assert first.row(0) == ("11", "900000001", "Celular", 10)
    assert frame.schema["telefone_1_score"] == pl.Int64


def test_phones_of_the_remessa_take_the_first_places_and_enrichment_the_last_three(result: Result) -> None:
    frame = result("manager_mailing", contratos=[contract("1")], telefones_contato=phones("1", remessa=2, enrichment=2))
    assert places(frame) == {1: "900000001", 2: "900000002", 8: "900000003", 9: "900000004"}
    assert frame.select("telefone_8_tipo", "telefone_9_tipo").row(0) == ("Enriquecimento 1", "Enriquecimento 2")


def test_the_remessa_never_takes_a_place_kept_for_enrichment(result: Result) -> None:
    frame = result("manager_mailing", contratos=[contract("1")], telefones_contato=phones("1", remessa=9))
    assert list(places(frame)) == [1, 2, 3, 4, 5, 6, 7]


def test_the_fourth_enrichment_has_no_place(result: Result) -> None:
    frame = result("manager_mailing", contratos=[contract("1")], telefones_contato=phones("1", enrichment=4))
    assert list(places(frame)) == [8, 9, 10]


def test_enrichment_is_placed_by_its_number_whatever_the_order_of_the_rows(result: Result) -> None:
    rows = phones("1", remessa=1, enrichment=3)[::-1]
    frame = result("manager_mailing", contratos=[contract("1")], telefones_contato=rows)
    assert places(frame) == {1: "900000001", 8: "900000002", 9: "900000003", 10: "900000004"}


def test_a_portfolio_says_how_many_places_there_are_and_how_many_are_kept(result: Result) -> None:
    rows = phones("1", remessa=5, enrichment=2)
    changes = {"lugares": 4, "lugares_enriquecimento": 1}
    frame = result("manager_mailing", changes, contratos=[contract("1")], telefones_contato=rows)
    assert places(frame) == {1: "900000001", 2: "900000002", 3: "900000003", 4: "900000006"}


def test_phones_that_did_not_fit_are_listed(result: Result) -> None:
    rows = [*phones("1", remessa=8, enrichment=4), *phones("2", remessa=1), *phones("3", remessa=9)]
    base = [contract("1"), contract("2"), contract("3", "BAIXADO")]
    frame = result("telefones_excedentes", contratos=base, telefones_contato=rows)
    left_out = frame.select("contrato", "origem", "ordem").rows()
    assert left_out == [("1", "REMESSA", 8), ("1", "ENRIQUECIMENTO", 12)]


def test_only_active_contracts_with_a_phone_are_in_the_mailing(result: Result) -> None:
    base = [
        contract("1"),
        contract("2", "BLOQUEIO PARCIAL"),
        contract("3", "RETIRADO"),
        contract("4", "BAIXADO"),
        contract("5"),
    ]
    rows = [row for number in "1234" for row in phones(number, remessa=1)]
    assert result("manager_mailing", contratos=base, telefones_contato=rows)["contrato"].to_list() == ["1"]
    assert result("sem_telefone", contratos=base, telefones_contato=rows)["contrato"].to_list() == ["5"]


def test_a_contract_whose_only_phones_have_no_place_is_without_phone(result: Result) -> None:
    tables = {"contratos": [contract("1")], "telefones_contato": phones("1", enrichment=1)}
    changes = {"lugares": 7, "lugares_enriquecimento": 0}
    assert result("manager_mailing", changes, **tables).is_empty()
    assert result("sem_telefone", changes, **tables)["contrato"].to_list() == ["1"]


def test_the_mailing_says_that_the_client_has_an_acordo_on_another_contract(result: Result) -> None:
    base = [
        contract("1", cpf_cnpj="A"),
        contract("2", "BLOQUEIO PARCIAL", cpf_cnpj="A"),
        contract("3", cpf_cnpj="B"),
        contract("4", "BAIXADO", cpf_cnpj="B"),
        contract("5", "BLOQUEIO PARCIAL", cpf_cnpj="A"),
    ]
    rows = [row for number in "13" for row in phones(number, remessa=1)]
    frame = result("manager_mailing", contratos=base, telefones_contato=rows)
    assert frame.select("contrato", "acordo_outro_contrato").rows() == [("1", "S"), ("3", "N")]


def test_the_mailing_says_which_contracts_have_a_refin(result: Result) -> None:
    base = [contract("1"), contract("2")]
    rows = [row for number in "12" for row in phones(number, remessa=1)]
    frame = result("manager_mailing", contratos=base, telefones_contato=rows, refin_vigente=[{"contrato": "2"}])
    assert frame.select("contrato", "refin_disponivel").rows() == [("1", "N"), ("2", "S")]


def test_name_and_campaign_come_from_the_ficha_and_the_rest_from_the_contract(result: Result) -> None:
    base = [contract("1", id_crm="X", carteira="VEICULOS", valor_total=Decimal("1234.56"), placa="ABC1D23")]
    fichas = [{"id_crm": "X", "id_campanha": 528, "nome": "Zé"}, {"id_crm": "Y", "id_campanha": 1, "nome": "Outro"}]
    frame = result("manager_mailing", contratos=base, fichas=fichas, telefones_contato=phones("1", remessa=1))
    row = frame.select("id_crm", "id_campanha", "nome", "carteira", "valor_total", "placa").row(0)
    assert row == ("X", 528, "Zé", "VEICULOS", Decimal("1234.56"), "ABC1D23")


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        (-1, "em dia"),
        (0, "em dia"),
        (1, "a) 1 a 30"),
        (30, "a) 1 a 30"),
        (31, "b) 31 a 60"),
        (120, "d) 91 a 120"),
        (360, "f) 181 a 360"),
        (361, "g) acima de 360"),
        (None, None),
    ],
)
def test_the_faixa_of_a_contract_follows_the_limits_of_the_portfolio(
    result: Result, days: int | None, expected: str | None
) -> None:
    base = [contract("1", dias_atraso=days)]
    frame = result("manager_mailing", contratos=base, telefones_contato=phones("1", remessa=1))
    assert frame["faixa_atraso"].to_list() == [expected]


def test_a_portfolio_without_limits_has_one_faixa(result: Result) -> None:
    frame = result("faixas_atraso", {"faixas_atraso": []})
    assert frame.select("ordem", "faixa", "de", "ate").rows() == [(0, "em dia", None, 0), (1, "a) acima de 0", 1, None)]


def test_what_manager_has_and_the_mailing_has_not_is_a_baixa_with_its_reason(result: Result) -> None:
    since = date(2026, 3, 2)
    base = [
        contract("1"),
        contract("2", "BLOQUEIO PARCIAL", situacao_desde=since),
        contract("3", "RETIRADO", situacao_desde=since),
        contract("4", "BAIXADO", situacao_desde=since),
        contract("5", situacao_desde=since),
        contract("6", "RETIRADO", situacao_desde=since),  # never sent
    ]
    sent = [{"contrato": number, "id_crm": f"crm-{number}"} for number in "12345"]
    frame = result("manager_baixa", contratos=base, telefones_contato=phones("1", remessa=1), manager_atual=sent)
    assert frame.rows() == [
        ("2", "crm-2", "cpf-2", "BLOQUEIO PARCIAL", since),
        ("3", "crm-3", "cpf-3", "RETIRADO", since),
        ("4", "crm-4", "cpf-4", "BAIXADO", since),
        ("5", "crm-5", "cpf-5", "SEM TELEFONE", TODAY),
    ]


def test_a_contract_that_manager_has_and_the_base_does_not_know_is_a_baixa_too(result: Result) -> None:
    fichas = [{"id_crm": "X", "cpf_cnpj": "cpf-x"}]
    sent = [{"contrato": "9", "id_crm": "X"}]
    frame = result("manager_baixa", fichas=fichas, manager_atual=sent)
    assert frame.rows() == [("9", "X", "cpf-x", "FORA DA BASE", TODAY)]
