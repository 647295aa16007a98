"""What is sent and what is not, through Dagster's own job: planned waves, doubtful baixas, the mailing's base."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
from agency import ANA, BIA, Agency, agency, checks, client, failures

from assets.common import asset_key
from assets.publish import preview
from atom_pipeline.errors import AtomError
from resources.ledger_records import WaveStatus
from resources.manager import CHANGED, OTHER_BASE
from resources.panel import day_panel
from resources.publish import manager_state

MON, TUE = date(2026, 11, 9), date(2026, 11, 10)
PORTFOLIO = "banco_pan_veiculos"
MAILING_MON = "mailing_banco_pan_veiculos_20261109_01_carga.csv"
MAILING_TUE = "mailing_banco_pan_veiculos_20261110_01_carga.csv"
MAILING_TUE_AFTER = "mailing_banco_pan_veiculos_20261110_02_carga.csv"
BAIXA_TUE = "baixa_banco_pan_veiculos_20261110_01.csv"
C1, C2 = "0000000101", "0000000102"
REMESSA_MON, REMESSA_TUE = "20261108_190000_remessa_528_out.528", "20261109_190000_remessa_528_out.528"
MUTE = {"telefone_1_ddd": None, "telefone_1_numero": None}


@pytest.fixture
def house(tmp_path: Path, ledger_url: str) -> Iterator[Agency]:
    with agency(tmp_path, ledger_url) as one:
        yield one


def remessa(house: Agency, name: str, *rows: dict[str, object]) -> None:
    house.put("remessa_assessoria", name, rows, day=MON)


def keys(*paths: str) -> list[dg.AssetKey]:
    return [asset_key(PORTFOLIO, *path.split("/")) for path in paths]


MODELS = keys("faixas_atraso", "telefones_posicionados", "manager_mailing")
SENDING = keys("publicado/manager_baixa", "publicado/manager_mailing")


def everything_but(house: Agency, left: Sequence[dg.AssetKey] = (), *, groups: Sequence[str] = ()) -> list[dg.AssetKey]:
    graph = house.definitions.resolve_asset_graph()
    chosen = {key for key in graph.get_all_asset_keys() if graph.get(key).group_name not in groups}
    return sorted(chosen - set(left), key=str)


def read(house: Agency, name: str) -> list[str]:
    """Contracts of a file at Manager."""
    return pl.read_csv(house.manager / name, separator=";", infer_schema=False)["contrato"].to_list()


def test_a_planned_wave_is_given_up_when_an_operator_says_so_and_a_replay_is_told_the_same(house: Agency) -> None:
    remessa(house, REMESSA_MON, client(C1, ANA))
    house.collect()
    taken = house.manager / MAILING_MON
    taken.parent.mkdir(exist_ok=True)
    taken.write_text("de outro")
    assert any("other content" in line for line in failures(house.run(MON)))
    house.runtime.ledger.decide(MON, "do-not-send", why="base de teste", author="ana")
    taken.unlink()

    remessa(house, REMESSA_TUE, client(C1, ANA), client(C2, BIA))
    house.make(TUE)
    assert [(wave.day, wave.status, wave.note) for wave in house.runtime.ledger.waves()] == [
        (MON, WaveStatus.CANCELLED, "decisão do operador: não enviar"),
        (TUE, WaveStatus.SENT, house.runtime.ledger.waves(TUE)[0].note),
    ]
    assert house.sent() == [MAILING_TUE]
    assert house.table("manager_atual", TUE).is_empty()


def test_a_wave_that_manager_never_got_is_made_anew_when_the_day_has_changed(house: Agency) -> None:
    remessa(house, REMESSA_MON, client(C1, ANA), client(C2, BIA))
    house.collect()
    taken = house.manager / MAILING_MON
    taken.parent.mkdir(exist_ok=True)
    taken.write_text("de outro")
    assert not house.run(MON).success
    taken.unlink()
    house.put(
        "acordos_baixados",
        "AcordosBaixados_09112026_528.csv",
        [{"contrato": C2, "numero_acordo": "9", "parcela": "1", "motivo": "ACORDO", "data_movimento": MON}],
        day=MON,
    )
    house.make(MON)
    waves = house.runtime.ledger.waves()
    assert [wave.status for wave in waves] == [WaveStatus.CANCELLED, WaveStatus.SENT]
    assert waves[0].note == CHANGED
    (carga,) = house.sent()
    assert read(house, carga) == [C1]  # the client with the acordo never reached the dialer


def test_what_manager_had_is_the_same_on_a_replay_when_a_wave_was_still_on_its_way(house: Agency) -> None:
    remessa(house, REMESSA_MON, client(C1, ANA))
    house.collect()
    taken = house.manager / MAILING_MON
    taken.parent.mkdir(exist_ok=True)
    taken.write_text("de outro")
    assert not house.run(MON).success
    house.runtime.ledger.decide(MON, "send-now", why="vai assim mesmo", author="ana")
    taken.unlink()

    remessa(house, REMESSA_TUE, client(C1, ANA), client(C2, BIA))
    house.make(TUE)
    assert house.sent() == [MAILING_MON, MAILING_TUE]
    first = house.runtime.lake.sha256("manager_atual", TUE)
    assert house.table("manager_atual", TUE)["contrato"].to_list() == [C1]
    assert house.run(TUE, only=keys("manager_atual")).success
    assert house.runtime.lake.sha256("manager_atual", TUE) == first


def test_nothing_is_sent_from_a_mailing_of_another_base_and_the_panel_shows_what_is_owed(house: Agency) -> None:
    remessa(house, REMESSA_MON, client(C1, ANA))
    house.make(MON)
    sent = house.sent()
    assert day_panel(house.runtime, MON).owed == {}
    remessa(house, "20261108_200000_remessa_528_out.528", client(C1, ANA), client(C2, BIA))
    house.collect()
    # As when a run is killed once the base is recorded.
    assert house.run(MON, only=everything_but(house, groups=("models", "publish"))).success
    panel = day_panel(house.runtime, MON)
    assert (panel.stale, panel.owed, panel.not_sent[0]) == (False, {}, OTHER_BASE)
    assert house.run(MON, only=SENDING).success
    assert house.sent() == sent

    result = house.run(MON, only=keys("manager_mailing"))
    assert any("is not made from the base there is now" in line for line in failures(result))
    assert house.run(MON, only=MODELS).success
    assert day_panel(house.runtime, MON).owed == {"INCLUSAO": 1}
    assert house.run(MON, only=SENDING).success
    assert day_panel(house.runtime, MON).owed == {}
    assert len(house.sent()) == len(sent) + 1


def test_baixas_that_nothing_explains_stay_at_manager_until_an_operator_lets_them_go(house: Agency) -> None:
    everyone = [f"{number:010d}" for number in range(1, 31)]
    silent, blocked = everyone[:20], everyone[-1]
    remessa(house, REMESSA_MON, *(client(one, ANA) for one in everyone))
    house.make(MON)
    with pytest.raises(AtomError, match="run the day first"):
        preview(house.runtime, TUE)

    remessa(house, REMESSA_TUE, *(client(one, ANA) | (MUTE if one in silent else {}) for one in everyone))
    house.put(
        "acordos_baixados",
        "AcordosBaixados_10112026_528.csv",
        [{"contrato": blocked, "numero_acordo": "9", "parcela": "1", "motivo": "ACORDO", "data_movimento": TUE}],
        day=TUE,
    )
    house.collect()
    assert house.run(TUE, only=everything_but(house, SENDING)).success
    assert [one.by_operation for one in preview(house.runtime, TUE)] == [{"BAIXA": 1}, {"CARGA": 9}]
    panel = day_panel(house.runtime, TUE)
    assert panel.owed == {"BAIXA": 1, "CARGA": 9}
    assert "20 de 30 contratos do Manager (66.7%)" in panel.not_sent[-1]

    result = house.run(TUE, only=SENDING)
    assert result.success
    assert checks(result)["manager_baixa.baixas_dentro_do_limite"] is False
    assert house.sent() == [BAIXA_TUE, MAILING_MON, MAILING_TUE_AFTER]
    assert set(read(house, MAILING_TUE_AFTER)) == set(everyone) - {*silent, blocked}
    state = manager_state(house.runtime.ledger, house.runtime.lake)
    assert set(state["contrato"]) == set(everyone) - {blocked}  # those that were held are still there
    assert house.run(TUE, only=SENDING).success
    assert len(house.sent()) == 3

    house.runtime.ledger.decide(TUE, "send-now", why="o banco confirmou", author="ana")
    result = house.run(TUE, only=SENDING)
    assert checks(result)["manager_baixa.baixas_dentro_do_limite"] is True
    assert read(house, "baixa_banco_pan_veiculos_20261110_03.csv") == silent
    assert day_panel(house.runtime, TUE).owed == {}


def test_a_corrected_day_takes_its_error_file_back_and_gives_back_no_row_that_is_right(house: Agency) -> None:
    remessa(house, REMESSA_MON, client(C1, ANA), client(C2, "52998224724"))
    carteiras = {C1: "VEICULOS", "0000000999": "CONSIGNADO"}
    rows = [{"contrato": one, "carteira": carteira, "cod_assessoria": "528"} for one, carteira in carteiras.items()]
    house.put("batimento", "bat_carteira_veic_09112026_528.csv", rows, day=MON)
    house.put("acordos_baixados", "AcordosBaixados_09112026_528.csv", [], day=MON)
    house.make(MON)
    assert house.table("ignoradas", MON)["motivo"].to_list() == ["OUTRA_CARTEIRA"]
    folder = house.drop / "erros"
    assert [path.name for path in folder.iterdir()] == [f"{REMESSA_MON}.erros.csv"]

    remessa(house, REMESSA_MON, client(C1, ANA), client(C2, BIA))
    house.make(MON)
    assert list(folder.iterdir()) == []
    assert house.runtime.ledger.outputs(MON) == []
