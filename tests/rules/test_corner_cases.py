"""Corner cases of the rules, each told as the story of some days."""

from __future__ import annotations

from datetime import date
from typing import Any

import polars as pl
import pytest
from daily import ANA, BRUNO, CARLA, Base, acordos, batimento, exclusao, layouts, remessa

from atom_pipeline.calendar import WorkingCalendar
from atom_pipeline.rules.fold import fold_day

ATIVO, BLOQUEIO, RETIRADO, BAIXADO = "ATIVO", "BLOQUEIO PARCIAL", "RETIRADO", "BAIXADO"
MON, TUE, WED, THU, FRI = (date(2026, 11, day) for day in (9, 10, 11, 12, 13))
NEXT_MON, NEXT_TUE, NEXT_WED = (date(2026, 11, day) for day in (16, 17, 18))


def ficha(base: Base, document: str) -> str:
    return base.tables["fichas"].row(by_predicate=pl.col("cpf_cnpj") == document, named=True)["status"]


def situacoes(base: Base) -> dict[str, str]:
    return dict(base.tables["contratos"].select("contrato", "situacao").rows())


# several contracts of one CPF


def test_several_contracts_of_one_cpf_are_blocked_and_closed_one_by_one_and_share_a_ficha() -> None:
    base = Base()
    base.day(MON, remessa=remessa({"contrato": "1"}, {"contrato": "2"}, {"contrato": "3", "cpf_cnpj": BRUNO}))
    assert base.tables["fichas"].select("cpf_cnpj", "id_campanha", "status").sort("cpf_cnpj").rows() == [
        (BRUNO, 7, "ATIVA"),
        (ANA, 7, "ATIVA"),
    ]
    assert base["000001"]["id_crm"] == base["000002"]["id_crm"] != base["000003"]["id_crm"]

    base.day(TUE, acordos=acordos({"contrato": "1"}))
    assert situacoes(base) == {"000001": BLOQUEIO, "000002": ATIVO, "000003": ATIVO}
    assert ficha(base, ANA) == "ATIVA"

    base.day(WED, batimento=batimento("3"))
    assert situacoes(base) == {"000001": BLOQUEIO, "000002": BAIXADO, "000003": ATIVO}
    assert ficha(base, ANA) == "BLOQUEIO PARCIAL"

    base.day(THU, exclusao=exclusao("1"))
    assert ficha(base, ANA) == "TODOS CONTRATOS BAIXADOS"
    assert ficha(base, BRUNO) == "ATIVA"


def test_a_portfolio_that_blocks_by_client_blocks_all_the_contracts_of_the_cpf() -> None:
    base = Base(block={"by": "cliente"})
    base.day(
        MON,
        remessa=remessa({"contrato": "1"}, {"contrato": "2"}, {"contrato": "3"}, {"contrato": "4", "cpf_cnpj": BRUNO}),
        exclusao=exclusao("3"),
    )
    base.day(TUE, acordos=acordos({"contrato": "1"}))
    assert situacoes(base) == {"000001": BLOQUEIO, "000002": BLOQUEIO, "000003": RETIRADO, "000004": ATIVO}
    assert [base[number]["bloqueado_em"] for number in ("000001", "000002", "000003", "000004")] == [
        TUE,
        TUE,
        TUE,
        None,
    ]
    assert base.events("000002") == [("BLOQUEIO", ATIVO, BLOQUEIO)]
    assert base.events("000003") == [("ACORDO_REGISTRADO", RETIRADO, RETIRADO)]
    assert base["000001"]["motivo"] == "Acordo em stand-by"
    assert base["000002"]["motivo"] == "Acordo em outro contrato do cliente"
    assert base.tables["acordos"]["contrato"].to_list() == ["000001"]

    base.day(WED, remessa=remessa({"contrato": "2"}, {"contrato": "5"}, {"contrato": "6", "cpf_cnpj": BRUNO}))
    assert base.events("000002") == [("IGNORADO_BLOQUEIO", BLOQUEIO, BLOQUEIO)]
    assert base.events("000005") == [("IGNORADO_BLOQUEIO", None, None)]  # new, but its client is in stand-by
    assert base.events("000006") == [("ALTA", None, ATIVO)]
    assert "000005" not in situacoes(base)

    base.day(NEXT_MON, remessa=remessa({"contrato": "2"}, {"contrato": "5"}))
    assert base.events("000002") == [("ALTA", BLOQUEIO, ATIVO)]
    assert base.events("000005") == [("ALTA", None, ATIVO)]


def test_a_cpf_that_changes_follows_the_newest_row_and_is_told_without_the_number() -> None:
    base = Base()
    base.day(MON, remessa=remessa({"contrato": "1", "nome": "ANA"}))
    before = base["000001"]["id_crm"]
    base.day(TUE, remessa=remessa({"contrato": "1", "cpf_cnpj": CARLA, "nome": "CARLA"}))
    assert base["000001"]["cpf_cnpj"] == CARLA
    assert base["000001"]["id_crm"] not in (None, before)
    assert base.tables["fichas"].select("cpf_cnpj", "nome").rows() == [(CARLA, "CARLA")]
    detail = base.tables["movimentos"]["detalhe"].item()
    assert detail == "CPF/CNPJ do contrato alterado; cpf_cnpj, nome"


def test_the_ficha_has_the_name_of_the_newest_row_that_has_one() -> None:
    base = Base()
    base.day(MON, remessa=remessa({"contrato": "1", "nome": "ANA SOUZA"}, {"contrato": "2", "nome": "ANA S"}))
    base.day(TUE, remessa=remessa({"contrato": "1", "nome": "ANA DE SOUZA"}))
    base.day(WED, remessa=remessa({"contrato": "3", "nome": None}))
    assert base.tables["fichas"]["nome"].to_list() == ["ANA DE SOUZA"]


# acordo and remessa on the same day


def test_acordo_and_remessa_on_the_same_day_end_in_stand_by() -> None:
    base = Base()
    base.day(MON, remessa=remessa({"valor": 10}), acordos=acordos({}))
    assert base.events() == [("ALTA", None, ATIVO), ("BLOQUEIO", ATIVO, BLOQUEIO)]
    now = base["000001"]
    assert (now["situacao"], now["bloqueado_em"], now["primeira_alta"], now["valor"]) == (BLOQUEIO, MON, MON, 10)
    assert base.set_aside() == []  # the remessa came first: the row was used


def test_the_day_a_block_ends_remessa_and_a_new_acordo_give_an_alta_and_a_block() -> None:
    base = Base()
    base.day(MON, remessa=remessa({}), acordos=acordos({}))
    base.day(FRI, remessa=remessa({}), acordos=acordos({}, {"parcela": 2}))
    assert base.events() == [("ALTA", BLOQUEIO, ATIVO), ("BLOQUEIO", ATIVO, BLOQUEIO)]
    assert base["000001"]["bloqueado_em"] == FRI


# a contract blocked, retired, then back


@pytest.fixture
def blocked_then_retired() -> Base:
    base = Base()
    base.day(MON, remessa=remessa({}))
    base.day(TUE, acordos=acordos({}))
    base.day(WED, exclusao=exclusao("1"))
    assert (base["000001"]["situacao"], base["000001"]["bloqueado_em"]) == (RETIRADO, TUE)
    return base


@pytest.mark.parametrize("day", [THU, FRI])
def test_a_contract_blocked_and_retired_that_comes_back_inside_the_window_is_ignored(
    blocked_then_retired: Base, day: date
) -> None:
    base = blocked_then_retired
    base.day(day, remessa=remessa({}))
    assert base.events() == [("IGNORADO_BLOQUEIO", RETIRADO, RETIRADO)]
    assert base["000001"]["situacao"] == RETIRADO


def test_a_contract_blocked_and_retired_that_comes_back_after_the_window_is_reactivated(
    blocked_then_retired: Base,
) -> None:
    base = blocked_then_retired
    base.day(NEXT_MON, remessa=remessa({}))
    assert base.events() == [("REATIVACAO", RETIRADO, ATIVO)]
    assert (base["000001"]["bloqueado_em"], base["000001"]["primeira_alta"]) == (TUE, MON)


# a standing acordo list


def test_a_standing_acordo_list_repeated_for_ten_days_blocks_once() -> None:
    calendar = WorkingCalendar(Base().portfolio.operation)
    days = calendar.days(MON, date(2026, 11, 30))[:10]
    base = Base()
    story = []
    for number, day in enumerate(days):
        listed = acordos({}, name=f"acordos_{day}.csv", hour=2)
        base.day(day, remessa=remessa({"valor": 100}), acordos=listed, batimento=batimento("1"))
        story.append([event for event, *_ in base.events()])
        assert base.tables["acordos"]["primeiro_dia"].to_list() == [MON], number
    assert story == [
        ["ALTA", "BLOQUEIO"],
        ["IGNORADO_BLOQUEIO"],
        ["IGNORADO_BLOQUEIO"],
        ["IGNORADO_BLOQUEIO"],
        ["ALTA"],
        [],
        [],
        [],
        [],
        [],
    ]
    assert (base["000001"]["situacao"], base["000001"]["bloqueado_em"]) == (ATIVO, MON)


def test_an_acordo_in_both_formats_on_one_day_blocks_once() -> None:
    base = Base()
    base.day(MON, remessa=remessa({}), acordos=acordos({}, hour=2), acordos_posicional=acordos({}, name="p", hour=3))
    assert [event for event, *_ in base.events()] == ["ALTA", "BLOQUEIO"]
    assert base.tables["acordos"]["arquivo"].to_list() == ["acordos.csv"]


def test_two_new_acordos_of_a_contract_on_one_day_are_two_blocks_one_after_the_other() -> None:
    base = Base()
    base.day(MON, remessa=remessa({}, {"contrato": "2"}), exclusao=exclusao("2"))
    new = [{"contrato": number, "numero_acordo": acordo} for number in ("1", "2") for acordo in ("900", "901")]
    base.day(TUE, acordos=acordos(*new))
    assert base.events("000001") == [("BLOQUEIO", ATIVO, BLOQUEIO), ("BLOQUEIO", BLOQUEIO, BLOQUEIO)]
    assert base.events("000002") == [("ACORDO_REGISTRADO", RETIRADO, RETIRADO)] * 2
    assert base.tables["movimentos"]["detalhe"].to_list() == ["acordo 900, parcela 1", "acordo 901, parcela 1"] * 2
    assert base["000001"]["numero_acordo"] == "901"


def test_an_acordo_listed_before_its_contract_came_blocks_it_when_it_comes() -> None:
    base = Base()
    base.day(MON, acordos=acordos({}))
    base.day(TUE, remessa=remessa({}), acordos=acordos({}))
    assert base.events() == [("ALTA", None, ATIVO), ("BLOQUEIO", ATIVO, BLOQUEIO)]


# motives


MOTIVES = {"motives_known": ["ACORDO"], "motives_without_block": ["QUEBRA"]}


def test_a_motive_without_block_is_recorded_set_aside_once_and_does_not_count_as_seen() -> None:
    base = Base(block=MOTIVES)
    base.day(MON, remessa=remessa({}), acordos=acordos({"motivo": " quebra "}))
    assert base["000001"]["situacao"] == ATIVO
    assert base.set_aside() == [("acordos", "000001", "MOTIVO_NAO_BLOQUEIA")]
    base.day(TUE, acordos=acordos({"motivo": "QUEBRA"}))
    assert base.set_aside() == []
    base.day(WED, acordos=acordos({"motivo": "ACORDO"}))
    assert base["000001"]["bloqueado_em"] == WED
    assert base.tables["acordos"].select("bloqueia", "primeiro_dia").rows() == [(False, MON), (True, WED)]


@pytest.mark.parametrize("motivo", ["OUTRO", None])
def test_an_unknown_motive_blocks_and_is_flagged(motivo: str | None) -> None:
    base = Base(block=MOTIVES)
    base.day(MON, remessa=remessa({}), acordos=acordos({"motivo": motivo}))
    assert base["000001"]["situacao"] == BLOQUEIO
    assert base.tables["sinalizadas"].select("layout", "arquivo", "linha", "campo", "motivo").rows() == [
        ("acordos", "acordos.csv", 1, "motivo", "MOTIVO_DESCONHECIDO")
    ]
    base.day(TUE, acordos=acordos({"motivo": motivo}))
    assert base.tables["sinalizadas"].is_empty()


def test_a_known_motive_is_not_flagged() -> None:
    base = Base(block=MOTIVES)
    base.day(MON, remessa=remessa({}), acordos=acordos({"motivo": "Acordo"}))
    assert base["000001"]["situacao"] == BLOQUEIO
    assert base.tables["sinalizadas"].is_empty()


# batimento


def test_a_friday_evening_remessa_meets_a_monday_batimento() -> None:
    """The remessa stamped on Friday evening belongs to Monday, as does the batimento of Monday's date."""
    base = Base()
    base.day(FRI, remessa=remessa({"contrato": "1"}, {"contrato": "2"}), batimento=batimento("1", "2"))
    monday = WorkingCalendar(base.portfolio.operation).next(FRI)
    base.day(monday, remessa=remessa({"contrato": "2"}, {"contrato": "3"}), batimento=batimento("2", "3"))
    assert monday == NEXT_MON
    assert situacoes(base) == {"000001": BAIXADO, "000002": ATIVO, "000003": ATIVO}


def test_a_contract_of_the_remessa_that_the_batimento_of_the_day_does_not_list_is_closed() -> None:
    base = Base()
    base.day(MON, remessa=remessa({"contrato": "1"}, {"contrato": "2"}), batimento=batimento("2"))
    assert base.events() == [("ALTA", None, ATIVO), ("BAIXA_BATIMENTO", ATIVO, BAIXADO)]


def test_no_batimento_closes_nobody() -> None:
    base = Base()
    base.day(MON, remessa=remessa({"contrato": "1"}, {"contrato": "2"}))
    base.day(TUE, remessa=remessa({"contrato": "2"}), acordos=acordos({"contrato": "9"}), batimento=None)
    assert situacoes(base) == {"000001": ATIVO, "000002": ATIVO}
    assert base.last is not None
    assert "batimento" not in [verdict.guard.value for verdict in base.last.verdicts]


def test_an_empty_batimento_closes_nobody_and_is_held() -> None:
    base = Base()
    base.day(MON, remessa=remessa({}))
    base.day(TUE, batimento=batimento())
    assert situacoes(base) == {"000001": ATIVO}
    assert base.last is not None
    assert [verdict.held for verdict in base.last.verdicts] == [True]


def test_half_of_a_batimento_is_held_and_the_whole_one_later_the_same_day_is_not() -> None:
    numbers = [str(number) for number in range(1, 41)]
    base = Base(guards={"smallest_base": 20})
    base.day(MON, remessa=remessa(*({"contrato": number} for number in numbers)))
    monday = base.tables
    base.day(TUE, batimento=batimento(*numbers[:20]))
    assert set(situacoes(base).values()) == {ATIVO}
    assert base.tables["movimentos"].is_empty()

    base.tables = monday
    base.day(TUE, batimento=batimento(*numbers[:38]))
    assert [number for number, situacao in situacoes(base).items() if situacao == BAIXADO] == ["000039", "000040"]


def test_the_batimento_of_another_carteira_or_assessoria_does_not_count_as_listed() -> None:
    base = Base()
    base.day(MON, remessa=remessa({"contrato": "1"}, {"contrato": "2"}, {"contrato": "3"}))
    other = batimento("1", carteira="CONSIGNADO"), batimento("2", cod_assessoria="999"), batimento("3")
    lines = pl.concat(other).with_columns(linha=pl.int_range(1, pl.len() + 1, dtype=pl.UInt32))
    base.day(TUE, batimento=lines)
    assert situacoes(base) == {"000001": BAIXADO, "000002": BAIXADO, "000003": ATIVO}
    assert base.set_aside() == [("batimento", "000001", "OUTRA_CARTEIRA"), ("batimento", "000002", "OUTRA_CARTEIRA")]


@pytest.mark.parametrize("code", ["528", "0528", " 528"])
def test_the_code_of_the_assessoria_may_have_zeros_or_blanks(code: str) -> None:
    base = Base()
    base.day(MON, remessa=remessa({}))
    base.day(TUE, batimento=batimento("1", cod_assessoria=code, carteira="Veiculos "))
    assert base.last is not None
    assert not base.last.verdicts[-1].held
    assert situacoes(base) == {"000001": ATIVO}
    assert base.set_aside() == []


# a contract number that lost its leading zeros


@pytest.mark.parametrize("written", ["000042", "42", "0000000042", " 42 "])
def test_a_contract_number_that_lost_its_leading_zeros_is_the_same_contract_in_every_file(written: str) -> None:
    files: dict[str, Any] = {
        "remessa": remessa({"contrato": written, "valor": 7}),
        "acordos": acordos({"contrato": written}),
        "exclusao": exclusao(written),
        "batimento": batimento(written),
    }
    happens = {
        "remessa": [("ATUALIZACAO", ATIVO, ATIVO)],
        "acordos": [("BLOQUEIO", ATIVO, BLOQUEIO)],
        "exclusao": [("RETIRADA", ATIVO, RETIRADO)],
        "batimento": [],
    }
    for stage, frame in files.items():
        base = Base()
        base.day(MON, remessa=remessa({"contrato": "000042"}))
        base.day(TUE, **{stage: frame})
        assert base.events("000042") == happens[stage], stage
        assert list(situacoes(base)) == ["000042"]
        assert base.set_aside() == []


# a late file


def test_a_late_acordos_file_for_yesterday_refolds_yesterday_and_today() -> None:
    """Tuesday's acordos come on Wednesday: Tuesday is folded again from Monday's base, then Wednesday from it."""
    base = Base()
    tuesday = {"remessa": remessa({"valor": 2}, {"contrato": "2"}), "batimento": batimento("2")}
    wednesday = {"remessa": remessa({"valor": 3}, {"contrato": "2"}), "batimento": batimento("1", "2")}
    base.day(MON, remessa=remessa({"valor": 1}, {"contrato": "2"}))
    monday = base.tables

    base.day(TUE, **tuesday)
    assert base["000001"]["situacao"] == BAIXADO
    base.day(WED, **wednesday)
    assert base.events() == [("REATIVACAO", BAIXADO, ATIVO)]

    base.tables = monday
    base.day(TUE, **tuesday, acordos=acordos({}))
    assert base.events() == [("ATUALIZACAO", ATIVO, ATIVO), ("BLOQUEIO", ATIVO, BLOQUEIO)]
    base.day(WED, **wednesday)
    assert base.events() == [("IGNORADO_BLOQUEIO", BLOQUEIO, BLOQUEIO)]
    assert (base["000001"]["bloqueado_em"], base["000001"]["valor"]) == (TUE, 2)


def test_a_day_folded_twice_from_the_same_base_is_the_same() -> None:
    base = Base()
    base.day(MON, remessa=remessa({}, {"contrato": "2"}))
    files = {"remessa": remessa({"valor": 2}), "acordos": acordos({"contrato": "2"}), "batimento": batimento("2")}
    settings = {"day": TUE, "portfolio": base.portfolio, "layouts": layouts()}
    first, second = (fold_day(base.tables, files, **settings) for _ in range(2))
    assert first.verdicts == second.verdicts
    for name, table in first.tables.items():
        assert table.equals(second.tables[name]), name


# the remessa itself


def test_of_two_remessas_of_a_day_the_later_stamp_wins_per_contract() -> None:
    base = Base()
    evening = remessa({"contrato": "1", "valor": 1}, {"contrato": "2", "valor": 1}, name="evening.txt", hour=20)
    night = remessa({"contrato": "1", "valor": 2}, name="night.txt", hour=23)
    base.day(MON, remessa=pl.concat([night, evening]))
    assert dict(base.tables["contratos"].select("contrato", "valor").rows()) == {"000001": 2, "000002": 1}
    assert base.tables["movimentos"]["arquivo"].to_list() == ["night.txt", "evening.txt"]


def test_a_new_field_of_the_layout_is_a_change_only_where_it_has_a_value() -> None:
    base = Base()
    base.day(MON, remessa=remessa({"contrato": "1"}, {"contrato": "2"}))
    wider = remessa({"contrato": "1"}, {"contrato": "2"}).with_columns(placa=pl.Series([None, "ABC1D23"]))
    base.day(TUE, remessa=wider)
    assert base.events("000001") == []
    assert base.events("000002") == [("ATUALIZACAO", ATIVO, ATIVO)]


def test_a_row_with_many_changes_only_says_how_many() -> None:
    base = Base()
    names = [f"campo_{number}" for number in range(30)]
    usual = remessa({"contrato": "1"}, {"contrato": "2"})
    base.day(MON, remessa=usual)
    base.day(TUE, remessa=usual.with_columns(pl.Series(name, ["x", None]) for name in names))
    assert base.tables["movimentos"].select("contrato", "detalhe").rows() == [("000001", "30 campos")]


def test_an_empty_remessa_and_empty_files_change_nothing() -> None:
    base = Base()
    base.day(MON, remessa=remessa({}))
    before = base.tables["contratos"]
    base.day(TUE, remessa=remessa(), acordos=acordos(), exclusao=exclusao())
    assert base.tables["contratos"].equals(before)
    assert base.tables["movimentos"].is_empty()


def test_a_first_day_without_any_file_is_an_empty_base_with_all_its_columns() -> None:
    base = Base()
    base.day(MON)
    assert base.tables["contratos"].is_empty()
    assert base.tables["contratos"].schema["valor"] == pl.Int64
    assert base.tables["fichas"].is_empty()
