"""The transition table of the base, row by row, and every day of a block (DESIGN section 5, R015 to R022).

D is Friday 13 November 2026. One contract, one file, one day: what was, what comes, what is, and what is told of it.
"""

from __future__ import annotations

from datetime import date

import pytest
from daily import ANA, Base, acordos, batimento, contrato, exclusao, remessa

D = date(2026, 11, 13)
BEFORE = date(2026, 1, 2)
IN_WINDOW = date(2026, 11, 10)  # Tuesday: its third bank day is D
OUT_OF_WINDOW = date(2026, 11, 9)  # Monday: its fourth bank day is D

ATIVO, BLOQUEIO, RETIRADO, BAIXADO = "ATIVO", "BLOQUEIO PARCIAL", "RETIRADO", "BAIXADO"
EVERY_SITUACAO = [ATIVO, BLOQUEIO, RETIRADO, BAIXADO]


# remessa row


@pytest.mark.parametrize("situacao", EVERY_SITUACAO)
def test_a_remessa_row_in_the_blocks_window_is_ignored_whatever_the_situacao(situacao: str) -> None:
    base = Base(contrato(situacao, bloqueado_em=IN_WINDOW))
    before = base["000001"]
    base.day(D, remessa=remessa({"valor": 999, "nome": "OUTRO NOME"}))
    assert base["000001"] == before
    assert base.events() == [("IGNORADO_BLOQUEIO", situacao, situacao)]
    assert base.set_aside() == [("remessa", "000001", "IGNORADO_BLOQUEIO")]
    assert base.tables["cadastro"].is_empty()


def test_a_remessa_row_of_an_unknown_contract_is_an_alta() -> None:
    base = Base()
    base.day(D, remessa=remessa({"contrato": "1", "valor": 100}))
    now = base["000001"]
    assert (now["situacao"], now["situacao_desde"], now["motivo"]) == (ATIVO, D, "Alta pela remessa")
    assert (now["primeira_alta"], now["ultima_remessa"], now["bloqueado_em"]) == (D, D, None)
    assert (now["cpf_cnpj"], now["valor"]) == (ANA, 100)
    assert now["id_crm"] is not None
    assert base.events() == [("ALTA", None, ATIVO)]


def test_a_remessa_row_of_an_active_contract_is_an_atualizacao_when_a_value_changed() -> None:
    base = Base()
    base.day(BEFORE, remessa=remessa({"valor": 100}))
    base.day(D, remessa=remessa({"valor": 101}))
    now = base["000001"]
    assert (now["situacao"], now["situacao_desde"], now["primeira_alta"]) == (ATIVO, BEFORE, BEFORE)
    assert (now["valor"], now["ultima_remessa"]) == (101, D)
    assert base.events() == [("ATUALIZACAO", ATIVO, ATIVO)]
    assert base.tables["movimentos"]["detalhe"].to_list() == ["valor"]


def test_a_remessa_row_equal_to_the_last_one_is_no_movimento() -> None:
    base = Base()
    base.day(BEFORE, remessa=remessa({"nome": None}, name="ontem.txt"))
    base.day(D, remessa=remessa({"nome": None}, name="hoje.txt", hour=21))
    assert base.events() == []
    assert base["000001"]["ultima_remessa"] == D
    assert base.tables["cadastro"].select("arquivo", "dia").rows() == [("hoje.txt", D)]


@pytest.mark.parametrize(("old", "new"), [(None, 100), (100, None)])
def test_a_value_that_comes_or_goes_is_a_change(old: int | None, new: int | None) -> None:
    base = Base()
    base.day(BEFORE, remessa=remessa({"valor": old}))
    base.day(D, remessa=remessa({"valor": new}))
    assert base.events() == [("ATUALIZACAO", ATIVO, ATIVO)]
    assert base["000001"]["valor"] == new


def test_a_remessa_row_of_a_contract_whose_block_is_over_is_an_alta() -> None:
    base = Base(contrato(BLOQUEIO, bloqueado_em=OUT_OF_WINDOW))
    base.day(D, remessa=remessa({}))
    now = base["000001"]
    assert (now["situacao"], now["situacao_desde"], now["motivo"]) == (ATIVO, D, "Alta pela remessa")
    assert (now["bloqueado_em"], now["primeira_alta"]) == (OUT_OF_WINDOW, BEFORE)
    assert base.events() == [("ALTA", BLOQUEIO, ATIVO)]


@pytest.mark.parametrize("situacao", [RETIRADO, BAIXADO])
@pytest.mark.parametrize("blocked", [None, OUT_OF_WINDOW])
def test_a_remessa_row_of_a_closed_contract_is_a_reativacao(situacao: str, blocked: date | None) -> None:
    base = Base(contrato(situacao, bloqueado_em=blocked))
    base.day(D, remessa=remessa({}))
    now = base["000001"]
    assert (now["situacao"], now["situacao_desde"], now["motivo"]) == (ATIVO, D, "Retorno pela remessa")
    assert now["bloqueado_em"] == blocked
    assert base.events() == [("REATIVACAO", situacao, ATIVO)]


@pytest.mark.parametrize("situacao", EVERY_SITUACAO)
def test_no_remessa_row_changes_nothing(situacao: str) -> None:
    base = Base(contrato(situacao))
    before = base["000001"]
    base.day(D, remessa=remessa({"contrato": "2"}))
    assert base["000001"] == before
    assert base.events() == []


# acordo row


@pytest.mark.parametrize("blocked", [None, IN_WINDOW, OUT_OF_WINDOW])
@pytest.mark.parametrize("situacao", [ATIVO, BLOQUEIO])
def test_a_new_acordo_blocks_an_open_contract(situacao: str, blocked: date | None) -> None:
    base = Base(contrato(situacao, bloqueado_em=blocked))
    base.day(D, acordos=acordos({"numero_acordo": "900"}))
    now = base["000001"]
    assert (now["situacao"], now["bloqueado_em"]) == (BLOQUEIO, D)
    assert (now["motivo"], now["numero_acordo"]) == ("Acordo em stand-by", "900")
    assert now["situacao_desde"] == (D if situacao == ATIVO else BEFORE)
    assert base.events() == [("BLOQUEIO", situacao, BLOQUEIO)]
    assert base.tables["acordos"].select("contrato", "numero_acordo", "parcela", "bloqueia", "primeiro_dia").rows() == [
        ("000001", "900", "1", True, D)
    ]


@pytest.mark.parametrize("situacao", [RETIRADO, BAIXADO])
def test_a_new_acordo_of_a_closed_contract_is_recorded_and_starts_a_window(situacao: str) -> None:
    base = Base(contrato(situacao))
    base.day(D, acordos=acordos({"numero_acordo": "900"}))
    now = base["000001"]
    assert (now["situacao"], now["situacao_desde"], now["motivo"]) == (situacao, BEFORE, "Antes")
    assert (now["bloqueado_em"], now["numero_acordo"]) == (D, "900")
    assert base.events() == [("ACORDO_REGISTRADO", situacao, situacao)]


def test_an_acordo_of_an_unknown_contract_goes_to_the_error_file() -> None:
    base = Base(contrato(ATIVO))
    base.day(D, acordos=acordos({"contrato": "2"}))
    assert base.tables["movimentos"].is_empty()
    assert base.tables["acordos"].is_empty()
    assert base.tables["contratos"].height == 1
    assert base.set_aside() == [("acordos", "000002", "CONTRATO_FORA_DA_BASE")]


@pytest.mark.parametrize("situacao", EVERY_SITUACAO)
def test_an_acordo_seen_on_an_earlier_day_does_nothing(situacao: str) -> None:
    base = Base(contrato(ATIVO))
    base.day(BEFORE, acordos=acordos({}))
    seen = base.tables["acordos"]
    base.tables["contratos"] = contrato(situacao, bloqueado_em=BEFORE)
    before = base["000001"]
    base.day(D, acordos=acordos({}))
    assert base["000001"] == before
    assert base.events() == []
    assert base.tables["acordos"].equals(seen)


@pytest.mark.parametrize("change", [{"numero_acordo": "901"}, {"parcela": 2}])
def test_another_acordo_or_another_parcela_blocks_again(change: dict[str, object]) -> None:
    base = Base(contrato(ATIVO))
    base.day(BEFORE, acordos=acordos({}))
    base.day(D, acordos=acordos({}, change))
    assert base["000001"]["bloqueado_em"] == D
    assert base.events() == [("BLOQUEIO", BLOQUEIO, BLOQUEIO)]


# exclusão row


@pytest.mark.parametrize("situacao", [ATIVO, BLOQUEIO, BAIXADO])
@pytest.mark.parametrize("blocked", [None, IN_WINDOW])
def test_an_exclusao_retires_a_contract(situacao: str, blocked: date | None) -> None:
    base = Base(contrato(situacao, bloqueado_em=blocked))
    base.day(D, exclusao=exclusao("1"))
    now = base["000001"]
    assert (now["situacao"], now["situacao_desde"], now["motivo"]) == (RETIRADO, D, "Exclusão e retirada")
    assert now["bloqueado_em"] == blocked
    assert base.events() == [("RETIRADA", situacao, RETIRADO)]


def test_an_exclusao_of_a_retired_contract_is_no_movimento() -> None:
    base = Base(contrato(RETIRADO))
    before = base["000001"]
    base.day(D, exclusao=exclusao("1"))
    assert base["000001"] == before
    assert base.events() == []


def test_an_exclusao_of_an_unknown_contract_goes_to_the_error_file() -> None:
    base = Base(contrato(ATIVO))
    base.day(D, exclusao=exclusao("2"))
    assert base.tables["movimentos"].is_empty()
    assert base.set_aside() == [("exclusao", "000002", "CONTRATO_FORA_DA_BASE")]


# batimento


@pytest.mark.parametrize(("situacao", "blocked"), [(ATIVO, None), (ATIVO, OUT_OF_WINDOW), (BLOQUEIO, OUT_OF_WINDOW)])
def test_the_batimento_closes_what_it_does_not_list(situacao: str, blocked: date | None) -> None:
    base = Base(contrato(situacao, bloqueado_em=blocked))
    base.day(D, batimento=batimento("2"))
    now = base["000001"]
    assert (now["situacao"], now["situacao_desde"], now["motivo"]) == (BAIXADO, D, "Fora do batimento")
    assert base.events() == [("BAIXA_BATIMENTO", situacao, BAIXADO)]
    assert base.tables["movimentos"].select("arquivo", "linha").rows() == [("batimento.csv", None)]


@pytest.mark.parametrize("blocked", [D, IN_WINDOW])
def test_the_batimento_leaves_a_contract_in_stand_by_alone(blocked: date) -> None:
    base = Base(contrato(BLOQUEIO, bloqueado_em=blocked))
    before = base["000001"]
    base.day(D, batimento=batimento("2"))
    assert base["000001"] == before
    assert base.events() == []


@pytest.mark.parametrize("situacao", [RETIRADO, BAIXADO])
def test_the_batimento_says_nothing_of_closed_contracts_it_does_not_list(situacao: str) -> None:
    base = Base(contrato(situacao))
    before = base["000001"]
    base.day(D, batimento=batimento("2"))
    assert base["000001"] == before
    assert base.events() == []


@pytest.mark.parametrize("situacao", EVERY_SITUACAO)
def test_the_batimento_is_never_an_alta(situacao: str) -> None:
    base = Base(contrato(situacao, bloqueado_em=OUT_OF_WINDOW))
    before = base["000001"]
    base.day(D, batimento=batimento("1"))
    assert base["000001"] == before
    assert base.events() == []
    assert base.set_aside() == []


def test_the_batimento_does_not_bring_in_an_unknown_contract() -> None:
    base = Base(contrato(ATIVO))
    base.day(D, batimento=batimento("1", "2"))
    assert base.tables["contratos"].height == 1
    assert base.set_aside() == [("batimento", "000002", "CONTRATO_FORA_DA_BASE")]


# every day of a block

WEEK = [date(2026, 11, day) for day in (9, 10, 11, 12, 13, 16)]
WEEKEND = [date(2026, 11, day) for day in (5, 6, 9, 10, 11, 12)]
CARNIVAL = [date(2026, 2, day) for day in (12, 13, 18, 19, 20, 23)]  # the 16th and 17th are closed
NOVEMBER_20 = [date(2026, 11, day) for day in (18, 19, 23, 24, 25, 26)]  # the 20th is closed
NEW_YEAR = [date(2026, 12, 30), date(2026, 12, 31), *(date(2027, 1, day) for day in (4, 5, 6, 7))]  # 31 December counts
CALENDARS = pytest.mark.parametrize(
    "days",
    [WEEK, WEEKEND, CARNIVAL, NOVEMBER_20, NEW_YEAR],
    ids=["in a week", "over a weekend", "over Carnival", "over 20 November", "over 31 December"],
)


@CALENDARS
@pytest.mark.parametrize("days_after", range(6))
def test_a_blocked_contract_stays_out_for_three_days_and_returns_on_the_fourth(
    days: list[date], days_after: int
) -> None:
    base = Base(contrato(ATIVO))
    base.day(days[0], acordos=acordos({}))
    if days_after == 0:
        assert (base["000001"]["situacao"], base["000001"]["bloqueado_em"]) == (BLOQUEIO, days[0])
        return
    base.day(days[days_after], remessa=remessa({"valor": 5}))
    if days_after <= 3:
        assert base.events() == [("IGNORADO_BLOQUEIO", BLOQUEIO, BLOQUEIO)]
        assert base["000001"]["valor"] == 100
        released = f"volta pela remessa a partir de {days[4]:%d/%m/%Y}"
        assert base.tables["movimentos"]["detalhe"].to_list() == [f"bloqueado em {days[0]:%d/%m/%Y}; {released}"]
    else:
        assert base.events() == [("ALTA", BLOQUEIO, ATIVO)]
        assert base["000001"]["valor"] == 5


@CALENDARS
@pytest.mark.parametrize("days_after", range(6))
def test_the_batimento_closes_a_blocked_contract_from_the_fourth_day_on(days: list[date], days_after: int) -> None:
    base = Base(contrato(ATIVO))
    today = {"batimento": batimento("2")}
    if days_after == 0:
        base.day(days[0], acordos=acordos({}), **today)
        assert base.events() == [("BLOQUEIO", ATIVO, BLOQUEIO)]
        return
    base.day(days[0], acordos=acordos({}))
    base.day(days[days_after], **today)
    assert base.events() == ([] if days_after <= 3 else [("BAIXA_BATIMENTO", BLOQUEIO, BAIXADO)])


@pytest.mark.parametrize("days_after", range(6))
def test_a_portfolio_may_count_calendar_days(days_after: int) -> None:
    thursday = date(2026, 11, 5)
    base = Base(contrato(BLOQUEIO, bloqueado_em=thursday), block={"calendar": "calendar"})
    base.day(date(2026, 11, 5 + days_after), remessa=remessa({}))
    inside = [("IGNORADO_BLOQUEIO", BLOQUEIO, BLOQUEIO)]
    assert base.events() == (inside if days_after <= 3 else [("ALTA", BLOQUEIO, ATIVO)])


def test_a_block_on_an_operating_saturday_counts_bank_days_from_monday() -> None:
    saturday = date(2026, 11, 7)
    settings = {"operation": {"start": BEFORE, "weekdays": [1, 2, 3, 4, 5, 6]}}
    base = Base(contrato(BLOQUEIO, bloqueado_em=saturday), **settings)
    base.day(date(2026, 11, 11), remessa=remessa({}))
    assert base.events() == [("IGNORADO_BLOQUEIO", BLOQUEIO, BLOQUEIO)]
    base.day(date(2026, 11, 12), remessa=remessa({}))
    assert base.events() == [("ALTA", BLOQUEIO, ATIVO)]


def test_the_tables_do_not_depend_on_the_order_of_rows() -> None:
    rows = [{"contrato": str(number), "cpf_cnpj": ANA} for number in range(1, 9)]
    files = {
        "remessa": remessa(*rows, {"contrato": "3", "valor": 7}),
        "acordos": acordos({"contrato": "1"}, {"contrato": "1", "parcela": 2}, {"contrato": "5"}, {"contrato": "99"}),
        "exclusao": exclusao("2", "5", "98"),
        "batimento": batimento("1", "3", "4", "97"),
    }
    straight = Base()
    straight.day(BEFORE, remessa=remessa({"contrato": "4"}))
    straight.day(D, **files)
    shuffled = Base()
    shuffled.day(BEFORE, remessa=remessa({"contrato": "4"}))
    shuffled.tables = {name: table.reverse() for name, table in shuffled.tables.items()}
    shuffled.day(D, **{name: frame.reverse() for name, frame in files.items()})
    assert straight.tables["movimentos"].height > 8
    for name, table in straight.tables.items():
        if name == "cadastro":  # its older rows keep the place they had
            assert table.sort("contrato").equals(shuffled.tables[name].sort("contrato"))
        else:
            assert table.equals(shuffled.tables[name]), name
