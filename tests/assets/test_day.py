"""A working day through Dagster's own job: what is read, what the base becomes, what is sent, and again."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from agency import ANA, BIA, CAIO, DORA, ZONE, Agency, KeptDays, agency, checks, client, failures
from databases import Ledgers

from assets.common import asset_key

MON, TUE, WED, THU, FRI = (date(2026, 11, day) for day in (9, 10, 11, 12, 13))
NEXT_MON = date(2026, 11, 16)
PORTFOLIO = "banco_pan_veiculos"


@pytest.fixture
def house(tmp_path: Path, ledger_url: str) -> Iterator[Agency]:
    with agency(tmp_path, ledger_url) as one:
        yield one


@pytest.fixture(scope="module")
def monday(tmp_path_factory: pytest.TempPathFactory, ledgers: Ledgers) -> Iterator[KeptDays]:
    """Monday with its remessa, an empty acordos file and a batimento of all."""
    home, url = tmp_path_factory.mktemp("monday"), ledgers.lend()
    with agency(home, url) as one:
        first_day(one)
    yield KeptDays(home, url)
    ledgers.give_back(url)


@pytest.fixture
def after_monday(monday: KeptDays, tmp_path: Path, ledgers: Ledgers) -> Iterator[Agency]:
    with monday.taken_up(tmp_path, ledgers) as one:
        yield one


def evening_before(day: date, hour: str = "190000") -> str:
    from datetime import timedelta

    return f"{day - timedelta(days=1):%Y%m%d}_{hour}"


def remessa(house: Agency, day: date, *rows: dict[str, object], hour: str = "190000") -> Path:
    name = f"{evening_before(day, hour)}_remessa_528_out.528"
    return house.put("remessa_assessoria", name, rows, day=day)


def acordos(house: Agency, day: date, *rows: tuple[str, str]) -> Path:
    """Rows of (contrato, numero_acordo)."""
    return house.put(
        "acordos_baixados",
        f"AcordosBaixados_{day:%d%m%Y}_528.csv",
        [
            {"contrato": contrato, "numero_acordo": number, "parcela": "1", "motivo": "ACORDO", "data_movimento": day}
            for contrato, number in rows
        ],
        day=day,
    )


def batimento(house: Agency, day: date, *contratos: str) -> Path:
    return house.put(
        "batimento",
        f"bat_carteira_veic_{day:%d%m%Y}_528.csv",
        [{"contrato": one, "carteira": "VEICULOS", "cod_assessoria": "528"} for one in contratos],
        day=day,
    )


C1, C2, C3, C4 = "0000000101", "0000000102", "0000000103", "0000000104"
ALL = (client(C1, ANA), client(C2, BIA), client(C3, CAIO))


def first_day(house: Agency, day: date = MON) -> None:
    remessa(house, day, *ALL)
    acordos(house, day)
    batimento(house, day, C1, C2, C3)
    house.make(day)


def test_a_first_day_fills_the_base_and_sends_the_carga(house: Agency) -> None:
    first_day(house)
    assert house.situacoes(MON) == {C1: "ATIVO", C2: "ATIVO", C3: "ATIVO"}
    assert house.table("movimentos", MON)["movimento"].to_list() == ["ALTA"] * 3
    assert house.sent() == ["mailing_banco_pan_veiculos_20261109_01_carga.csv"]
    lines = (house.manager / house.sent()[0]).read_text(encoding="utf-8").splitlines()
    assert lines[0].startswith("id_crm;id_campanha;contrato;cpf_cnpj;nome;")
    assert [line.split(";")[2] for line in lines[1:]] == [C1, C2, C3]


def test_a_day_run_twice_gives_the_same_bytes_and_sends_nothing_more(after_monday: Agency) -> None:
    house = after_monday
    base = house.runtime.ledger.base(MON)
    sent = house.sent()
    result = house.run(MON)
    assert result.success
    again = house.runtime.ledger.base(MON)
    assert base is not None and again is not None
    assert (again.hash, dict(again.tables), again.inputs) == (base.hash, dict(base.tables), base.inputs)
    assert house.sent() == sent
    # The tables of the base and the models alike tell Dagster what their columns are made of.
    assert (asset_key(PORTFOLIO, "contratos"), "dias_atraso") in made_of(result, "manager_mailing", "dias_atraso")
    received = asset_key(PORTFOLIO, "recebido", "remessa_assessoria")
    assert made_of(result, "contratos", "dias_atraso") == [(received, "dias_atraso")]
    assert made_of(result, "cadastro", "nome") == [(received, "nome")]


def made_of(result: dg.ExecuteInProcessResult, table: str, column: str) -> list[tuple[dg.AssetKey, str]]:
    """What Dagster keeps of a column of a table that a run made."""
    key = asset_key(PORTFOLIO, table)
    made = [event.materialization for event in result.get_asset_materialization_events() if event.asset_key == key]
    lineage = made[0].metadata["dagster/column_lineage"].value
    return [(dep.asset_key, dep.column_name) for dep in lineage.deps_by_column[column]]


def test_an_acordo_blocks_at_once_and_the_fourth_day_returns_as_a_new_row(after_monday: Agency) -> None:
    house = after_monday
    for day in (TUE, WED, THU, FRI, NEXT_MON):
        remessa(house, day, *ALL, hour="193000")
        acordos(house, day, (C1, "900"))  # a standing list
        batimento(house, day, C1, C2, C3)
        house.make(day)
    states = {day: house.situacoes(day)[C1] for day in (TUE, WED, THU, FRI, NEXT_MON)}
    assert states == {
        TUE: "BLOQUEIO PARCIAL",
        WED: "BLOQUEIO PARCIAL",
        THU: "BLOQUEIO PARCIAL",
        FRI: "BLOQUEIO PARCIAL",
        NEXT_MON: "ATIVO",
    }
    waves = {(wave.day, wave.kind.value): [file.name for file in wave.files] for wave in house.runtime.ledger.waves()}
    assert waves[TUE, "baixa"] == ["baixa_banco_pan_veiculos_20261110_01.csv"]
    assert (WED, "baixa") not in waves
    carga = house.manager / waves[NEXT_MON, "carga"][0]
    assert C1 in carga.read_text(encoding="utf-8")


def test_a_held_batimento_stops_the_carga_but_neither_the_base_nor_the_baixas(tmp_path: Path, ledger_url: str) -> None:
    with agency(tmp_path, ledger_url, now=datetime(2026, 11, 10, 4, 0, tzinfo=ZONE)) as house:
        everyone = [client(f"{n:010d}", ANA) for n in range(1, 41)]
        remessa(house, MON, *everyone)
        acordos(house, MON)
        batimento(house, MON, *(row["contrato"] for row in everyone))
        house.runtime.ledger.decide(MON, "send-now", why="sem parcelas", author="ana")
        house.make(MON)
        remessa(house, TUE, *everyone, hour="193000")
        acordos(house, TUE, ("0000000001", "77"))
        batimento(house, TUE, "0000000002")  # half of it never came
        house.collect()
        result = house.run(TUE)
        assert not result.success
        assert checks(result)["guardas.guarda_batimento"] is False
        assert list(house.situacoes(TUE).values()).count("BAIXADO") == 0
        assert house.runtime.ledger.base(TUE) is not None
        assert [wave.kind.value for wave in house.runtime.ledger.waves(TUE)] == ["baixa"]

        house.runtime.ledger.decide(TUE, "release-batimento", why="o banco confirmou", author="ana")
        assert house.runtime.stale() == [TUE]
        assert house.run(TUE).success
        assert list(house.situacoes(TUE).values()).count("BAIXADO") == 38
        assert [wave.kind.value for wave in house.runtime.ledger.waves(TUE)] == ["baixa", "baixa"]
        waited = ("parcelas: atrasado", "garantias: atrasado", "refin: aguardando")
        assert house.runtime.sending(TUE).reasons == waited

        house.runtime.ledger.decide(TUE, "send-now", why="parcelas não vêm hoje", author="ana")
        assert house.run(TUE).success
        assert [wave.kind.value for wave in house.runtime.ledger.waves(TUE)] == ["baixa", "baixa", "carga"]


def test_batimento_waits_for_acordos_and_says_so(house: Agency) -> None:
    remessa(house, MON, *ALL)
    batimento(house, MON, C1)
    house.collect()
    assert house.run(MON).success
    assert set(house.situacoes(MON).values()) == {"ATIVO"}
    assert house.runtime.batimento_waits(MON) == ["acordos: atrasado"]
    house.runtime.ledger.decide(MON, "no-acordos", why="feriado no banco", author="ana")
    assert house.run(MON).success
    assert house.situacoes(MON) == {C1: "ATIVO", C2: "BAIXADO", C3: "BAIXADO"}


def test_a_day_refuses_while_an_earlier_one_has_files_and_no_base(house: Agency) -> None:
    remessa(house, MON, *ALL)
    remessa(house, TUE, *ALL, hour="193000")
    house.collect()
    result = house.run(TUE)
    assert not result.success
    assert any("2026-11-09" in line and "abertura" in line for line in failures(result))
    assert house.runtime.ledger.base(TUE) is None


def test_a_late_acordos_file_for_yesterday_makes_both_days_again(after_monday: Agency) -> None:
    house = after_monday
    remessa(house, TUE, *ALL, hour="193000")
    house.make(TUE)
    assert house.situacoes(TUE)[C1] == "ATIVO"
    (house.drop / "AcordosBaixados_09112026_528.csv").unlink()
    acordos(house, MON, (C1, "900"))
    house.collect()
    assert house.runtime.stale() == [MON, TUE]
    assert not house.run(TUE).success
    assert house.run(MON).success
    assert house.run(TUE).success
    assert house.situacoes(MON)[C1] == house.situacoes(TUE)[C1] == "BLOQUEIO PARCIAL"
    assert house.table("ignoradas", TUE)["motivo"].to_list() == ["IGNORADO_BLOQUEIO"]


def test_a_file_out_of_layout_is_refused_whole_and_the_base_is_as_before(after_monday: Agency) -> None:
    house = after_monday
    house.put_bytes("20261109_200000_remessa_528_out.528", b"0 not a remessa\r\n" * 3)
    house.collect()
    result = house.run(TUE)
    assert result.success
    assert checks(result)["remessa_assessoria.arquivos_aceitos"] is False
    load = house.runtime.ledger.loads(TUE)[0].load
    assert load.outcome == "refused"
    assert "20261109_200000_remessa_528_out.528" in (load.message or "")
    assert house.situacoes(TUE) == house.situacoes(MON)


def test_rows_refused_and_set_aside_go_back_to_the_drop_as_they_came(house: Agency) -> None:
    remessa(house, MON, client(C1, ANA), client(C2, "52998224724"))
    acordos(house, MON, ("0000009999", "5"))
    house.make(MON)
    assert house.table("recusadas", MON).select("linha", "campo", "motivo").rows() == [(3, "cpf_cnpj", "CPF_CNPJ")]
    assert house.table("ignoradas", MON)["motivo"].to_list() == ["CONTRATO_FORA_DA_BASE"]
    folder = house.drop / "erros"
    names = sorted(path.name for path in folder.iterdir())
    assert names == [
        "20261108_190000_remessa_528_out.528.erros.csv",
        "AcordosBaixados_09112026_528.csv.erros.csv",
    ]
    source = (house.drop / "20261108_190000_remessa_528_out.528").read_text(encoding="latin-1").splitlines()
    given_back = pl.read_csv(folder / names[0], separator=";", infer_schema=False)
    assert given_back["original"].to_list() == [source[2]]
    assert given_back["linha"].to_list() == ["3"]


def test_a_name_no_layout_knows_is_reported_and_left(house: Agency) -> None:
    stranger = house.put_bytes("leia-me.txt", b"ola")
    report = house.collect()
    assert report.unknown == ("leia-me.txt",)
    assert stranger.read_bytes() == b"ola"
    assert [one.name for one in house.runtime.ledger.unknown_files()] == ["leia-me.txt"]


def test_one_asset_made_again_leaves_the_base_as_it_was(after_monday: Agency) -> None:
    house = after_monday
    before = house.runtime.ledger.base(MON)
    assert house.run(MON, only=[asset_key(PORTFOLIO, "recebido", "remessa_assessoria")]).success
    assert house.run(MON, only=[asset_key(PORTFOLIO, "etapa_remessa"), asset_key(PORTFOLIO, "cadastro")]).success
    assert before is not None
    assert {name: house.runtime.lake.sha256(name, MON) for name in before.tables} == dict(before.tables)


def test_a_contract_without_a_phone_is_counted_listed_and_not_sent(house: Agency) -> None:
    silent = client(C2, BIA) | {"telefone_1_ddd": None, "telefone_1_numero": None}
    remessa(house, MON, client(C1, ANA), silent)
    acordos(house, MON)
    batimento(house, MON, C1, C2)
    house.make(MON)
    assert house.table("manager_mailing", MON)["contrato"].to_list() == [C1]
    assert house.table("sem_telefone", MON)["contrato"].to_list() == [C2]


def test_do_not_send_is_obeyed_and_the_last_word_counts(house: Agency) -> None:
    house.runtime.ledger.decide(MON, "do-not-send", why="homologação", author="ana")
    first_day(house)
    assert house.sent() == []
    house.runtime.ledger.decide(MON, "send-now", why="liberado", author="ana")
    assert house.runtime.stale() == []  # a decision about sending changes no table
    assert house.run(MON).success
    assert house.sent() == ["mailing_banco_pan_veiculos_20261109_01_carga.csv"]


def test_a_past_day_is_made_again_and_sends_nothing(after_monday: Agency) -> None:
    house = after_monday
    remessa(house, TUE, *ALL, client(C4, DORA), hour="193000")
    acordos(house, TUE)
    batimento(house, TUE, C1, C2, C3, C4)
    house.make(TUE)
    sent = house.sent()
    result = house.run(MON)
    assert result.success
    assert house.sent() == sent
    assert house.runtime.sending(MON).reasons[0].startswith("a onda mais recente é do dia 2026-11-10")


def test_before_its_deadline_the_carga_waits_and_after_it_goes_with_what_there_is(
    tmp_path: Path, ledger_url: str
) -> None:
    with agency(tmp_path, ledger_url, now=datetime(2026, 11, 9, 6, 0, tzinfo=ZONE)) as early:
        remessa(early, MON, *ALL)
        early.collect()
        assert early.run(MON).success
        assert early.sent() == []
    with agency(tmp_path, ledger_url, now=datetime(2026, 11, 9, 6, 31, tzinfo=ZONE)) as late:
        result = late.run(MON)
        assert result.success
        assert checks(result)["manager_mailing.carga_completa"] is False
        assert late.sent() == ["mailing_banco_pan_veiculos_20261109_01_carga.csv"]
        assert "acordos" in late.runtime.ledger.waves(MON)[0].note


def test_a_file_that_comes_while_the_day_is_made_leaves_it_stale_and_never_half_used(after_monday: Agency) -> None:
    house = after_monday
    late = house.put("exclusao_retirada", "20261108_200000_baixa_528_out.528", [{"contrato": C1}], day=MON)
    assert late.exists()
    house.collect()
    # Only the reading runs: the steps beside it are still those of the files before.
    assert house.run(MON, only=[asset_key(PORTFOLIO, "recebido", "exclusao_retirada")]).success
    result = house.run(MON, only=[asset_key(PORTFOLIO, "base")])
    assert not result.success
    assert "etapa_exclusao" in failures(result)[0]
    assert house.runtime.stale() == [MON]
    assert house.run(MON).success
    assert house.situacoes(MON)[C1] == "RETIRADO"
    assert house.runtime.stale() == []


def test_a_release_is_about_the_base_that_was_looked_at(house: Agency) -> None:
    house.stopped = True
    house.clock[0] = datetime(2026, 11, 9, 4, 0, tzinfo=ZONE)  # later on, a held step only warns
    known = [client(f"{n:010d}", ANA) for n in range(1, 41)]
    remessa(house, MON, *known)
    acordos(house, MON)
    batimento(house, MON, *(str(row["contrato"]) for row in known[:20]))
    house.collect()
    assert not house.run(MON).success
    house.runtime.ledger.decide(MON, "release-batimento", why="confere", author="ana")
    assert house.run(MON).success
    assert list(house.situacoes(MON).values()).count("BAIXADO") == 20
    # The same batimento on a base that grew would close what nobody looked at.
    remessa(house, MON, *(client(f"{n:010d}", ANA) for n in range(41, 141)), hour="200000")
    house.collect()
    assert not house.run(MON).success
    assert "BAIXADO" not in house.situacoes(MON).values()


def test_a_batimento_that_was_refused_is_not_made_good_by_an_older_one(house: Agency) -> None:
    remessa(house, MON, *ALL)
    acordos(house, MON)
    batimento(house, MON, C1)
    house.put_bytes("bat_carteira_veic_09112026_528.csv.528", b"not;a;batimento\r\n1;2;3\r\n")
    house.collect()
    assert house.run(MON).success
    assert set(house.situacoes(MON).values()) == {"ATIVO"}
    assert "batimento: recusado" in house.runtime.sending(MON).reasons


def test_a_name_of_a_day_before_the_first_is_reported_and_stops_nothing(house: Agency) -> None:
    house.put_bytes("bat_carteira_veic_05012023_528.csv", b"x")
    assert house.collect().unknown == ("bat_carteira_veic_05012023_528.csv",)
    first_day(house)
    assert house.runtime.stale() == []


def test_a_mailing_of_a_day_that_is_over_goes_whole_or_not_at_all(tmp_path: Path, ledger_url: str) -> None:
    with agency(tmp_path, ledger_url, now=datetime(2026, 11, 11, 7, 0, tzinfo=ZONE)) as late:
        remessa(late, MON, *ALL)
        late.collect()
        assert late.run(MON).success
        assert late.sent() == []


def test_a_day_of_which_nothing_came_sends_no_mailing(after_monday: Agency) -> None:
    house = after_monday
    sent = house.sent()
    assert house.run(TUE).success
    assert house.sent() == sent
    assert "nenhum arquivo do dia foi lido" in house.runtime.sending(TUE).reasons
