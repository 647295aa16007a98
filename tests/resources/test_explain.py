"""Three days of five contracts, each in another place: what is told of each, and of the difference of two days."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path

import polars as pl
import pytest
from agency import ANA, BIA, CAIO, DORA, Agency, agency, client
from databases import Ledgers
from typer.testing import CliRunner

from atom_pipeline.cli import app
from atom_pipeline.cli.console import console as terminal
from atom_pipeline.errors import AtomError
from atom_pipeline.layout import lines, one_record
from atom_pipeline.layout.lines import EvenLines, original_lines
from resources.diff import compare_days
from resources.explain import Story, contratos_of_client, contratos_with_phone, explain, explain_contrato
from resources.explain_record import record_of

MON, TUE, WED = (date(2026, 11, number) for number in (9, 10, 11))
KEPT, BLOCKED, RETIRED, MUTE, CLOSED = (f"00000001{number:02d}" for number in range(1, 6))
STRANGER = "0000000999"
PHONE, ENRICHED = "31988880101", "11977776666"
REMESSAS = {day: f"202611{day.day - 1:02d}_190000_remessa_528_out.528" for day in (MON, TUE, WED)}
ACORDOS = {day: f"AcordosBaixados_{day:%d%m%Y}_528.csv" for day in (MON, TUE, WED)}
EXCLUSAO, TELEFONES = "20261109_193000_baixa_528_out.528", "telefones_carteira_veic_081126203000.csv"
BATIMENTOS = {day: f"bat_carteira_veic_{day:%d%m%Y}_528.csv" for day in (TUE, WED)}


def acordo(contrato: str, day: date) -> dict[str, object]:
    return {
        "contrato": contrato, "numero_acordo": "900", "parcela": "1", "motivo": "ACORDO", "data_movimento": day
    }  # fmt: skip


def put_days(house: Agency) -> None:
    """MON all come; TUE one is blocked, one taken back, one not in the batimento; WED the batimento lists nobody."""
    phone = {"telefone_1_ddd": "31", "telefone_1_numero": PHONE[2:], "telefone_1_tipo": "M", "telefone_1_score": 80}
    mute = {"telefone_1_ddd": "31", "telefone_1_numero": "1234567"}
    clients = {
        KEPT: client(KEPT, ANA, **phone), BLOCKED: client(BLOCKED, BIA), RETIRED: client(RETIRED, CAIO),
        MUTE: client(MUTE, DORA, **mute), CLOSED: client(CLOSED, ANA),
    }  # fmt: skip
    house.put("remessa_assessoria", REMESSAS[MON], [*clients.values()], day=MON)
    house.put("acordos_baixados", ACORDOS[MON], [acordo(STRANGER, MON)], day=MON)
    enriched = {"telefone_1_numero": ENRICHED, "telefone_1_score": 5}
    rows = [{"cpf_cnpj": cpf, "contrato": KEPT, **enriched} for cpf in (ANA, BIA)]
    house.put("telefones", TELEFONES, rows, day=MON)
    house.make(MON)
    changed = [clients[KEPT] | {"dias_atraso": 46}, clients[BLOCKED], clients[MUTE]]
    house.put("remessa_assessoria", REMESSAS[TUE], changed, day=TUE)
    house.put("acordos_baixados", ACORDOS[TUE], [acordo(BLOCKED, TUE)], day=TUE)
    house.put("exclusao_retirada", EXCLUSAO, [{"contrato": RETIRED}], day=TUE)
    listed = [{"contrato": one, "carteira": "VEICULOS", "cod_assessoria": "528"} for one in (KEPT, BLOCKED, MUTE)]
    house.put("batimento", BATIMENTOS[TUE], listed, day=TUE)
    house.make(TUE)
    house.put("remessa_assessoria", REMESSAS[WED], [changed[0], clients[BLOCKED]], day=WED)
    house.put("acordos_baixados", ACORDOS[WED], [acordo(BLOCKED, TUE)], day=WED)
    others = [listed[0] | {"carteira": "CONSIGNADO"}]
    house.put("batimento", BATIMENTOS[WED], others, day=WED)
    house.collect()
    house.run(WED)  # a guard stops it, and the deadline lets the carga go


@pytest.fixture(scope="module")
def house(ledgers: Ledgers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Agency]:
    url = ledgers.lend()
    with agency(tmp_path_factory.mktemp("casa"), url) as one:
        put_days(one)
        yield one
    ledgers.give_back(url)


def story(house: Agency, contrato: str) -> Story:
    found = explain_contrato(house.runtime, contrato)
    assert found is not None
    return found


def told(found: Story) -> list[tuple[object, ...]]:
    return [(event.dia, event.movimento, event.arquivo, event.linha) for event in found.events]


HELD = (
    f"the batimento of 2026-11-11 ({BATIMENTOS[WED]}) is held until `release-batimento` and changed nothing; "
    "it does not list it: applied, an open contract out of its block's window is BAIXADO"
)


def test_the_life_of_a_contract_that_is_called(house: Agency) -> None:
    found = story(house, KEPT.lstrip("0"))
    assert told(found) == [
        (MON, "ALTA", REMESSAS[MON], 2),
        (MON, "IGNORADA CPF_DIVERGENTE", TELEFONES, 3),
        (MON, "ONDA CARGA", "mailing_banco_pan_veiculos_20261109_01_carga.csv", None),
        (TUE, "ATUALIZACAO", REMESSAS[TUE], 2),
        (TUE, "ONDA CARGA", "mailing_banco_pan_veiculos_20261110_02_carga.csv", None),
        (WED, "ONDA CARGA", "mailing_banco_pan_veiculos_20261111_01_carga.csv", None),
    ]
    assert found.why == [
        "it is in the mailing of 2026-11-11: ATIVO since 2026-11-09 with 2 usable phones (R012, R025)",
        HELD,
        "Manager has it, since wave 2026-11-11/01 "
        f"(CARGA, {found.events[-1].enviada:%Y-%m-%d %H:%M}, mailing_banco_pan_veiculos_20261111_01_carga.csv)",
    ]


def test_each_phone_says_where_it_is_from_and_its_place(house: Agency) -> None:
    phones = story(house, KEPT).phones
    assert [
        (one.telefone, one.tipo, one.score, one.origem, one.arquivo, one.linha, one.desde, one.place, one.why_not)
        for one in phones
    ] == [
        (PHONE, "celular", 80, "REMESSA", REMESSAS[MON], 2, MON, 1, None),
        (ENRICHED, "Enriquecimento 1", 5, "ENRIQUECIMENTO", TELEFONES, 2, MON, 8, None),
    ]
    (other,) = story(house, BLOCKED).phones
    assert (other.place, other.why_not) == (None, "the contract is BLOQUEIO PARCIAL")


def test_a_blocked_contract_names_its_acordo_and_the_row_that_was_ignored(house: Agency) -> None:
    found = story(house, BLOCKED)
    assert found.why[:4] == [
        "it is not in the mailing: BLOQUEIO PARCIAL since 2026-11-10 for acordo 900, "
        f"{ACORDOS[TUE]} line 2 (R017, R019)",
        "blocked last on 2026-11-10, it stays so until 2026-11-16: remessa rows are ignored before that day (R020); "
        "from then on one makes it ATIVO again",
        f"{REMESSAS[WED]} line 3 of 2026-11-11 was not used, IGNORADO_BLOQUEIO (R020): "
        "bloqueado em 10/11/2026; volta pela remessa a partir de 16/11/2026",
        HELD,
    ]
    assert found.why[4].startswith("Manager does not have it: baixa in wave 2026-11-10/01 (BAIXA, ")
    assert [(row["numero_acordo"], row["primeiro_dia"], row["linha"]) for row in found.acordos] == [("900", TUE, 2)]


def test_those_that_left_name_the_file_and_the_one_without_phone_its_numbers(house: Agency) -> None:
    assert story(house, RETIRED).why[:2] == [
        f"it is not in the mailing: RETIRADO since 2026-11-10 by {EXCLUSAO} line 2 (R011)",
        "the next remessa row of it brings it back (REATIVACAO)",
    ]
    assert story(house, CLOSED).why[0] == (
        "it is not in the mailing: BAIXADO since 2026-11-10, for it is not in the batimento of that day, "
        f"{BATIMENTOS[TUE]} (R022)"
    )
    assert story(house, MUTE).why[:2] == [
        "it is not in the mailing: ATIVO since 2026-11-09, but without a usable phone (R024)",
        "its last remessa row has 1 number that cannot be dialled",
    ]
    assert story(house, STRANGER).why[:2] == [
        "it is not in the mailing: the base of 2026-11-11 does not know it, no remessa row of it was accepted",
        f"{ACORDOS[MON]} line 2 of 2026-11-09 was not used, CONTRATO_FORA_DA_BASE (FA006)",
    ]
    assert explain_contrato(house.runtime, "0000000888") is None
    assert explain_contrato(house.runtime, " ") is None


def test_a_client_and_a_phone_lead_to_their_contracts_however_they_are_written(house: Agency) -> None:
    assert contratos_of_client(house.runtime, "529.982.247-25") == [KEPT, CLOSED]
    assert contratos_with_phone(house.runtime, "+55 (31) 98888-0101") == [KEPT]
    assert contratos_with_phone(house.runtime, ENRICHED) == [KEPT]
    assert contratos_with_phone(house.runtime, "3133334444") == []
    assert [found.contrato for found in explain(house.runtime, [KEPT, CLOSED])] == [KEPT, CLOSED]
    for text, search in (("1" * 15, contratos_of_client), ("98888-0101", contratos_with_phone)):
        with pytest.raises(AtomError, match="that is no"):
            search(house.runtime, text)


def test_the_record_of_an_event_has_its_fields_named(house: Agency) -> None:
    update = next(event for event in story(house, KEPT).events if event.movimento == "ATUALIZACAO")
    sought: list[EvenLines | None] = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(
            one_record,
            "original_lines",
            lambda *a, even, **k: sought.append(even) or original_lines(*a, even=even, **k),
        )
        patch.delattr(lines, "_lines")  # all lines of the remessa have its length, as the ledger knows: none is counted
        record = record_of(house.runtime, update)
    assert sought == [EvenLines(frozenset(), 5)]
    assert record is not None and record.fault is None
    assert (record.file, record.line, record.layout, record.record) == (
        REMESSAS[TUE],
        2,
        "remessa_assessoria",
        "detalhe",
    )
    values = {cell.field.name: (cell.raw, cell.value) for cell in record.cells}
    assert values["contrato"] == (KEPT, KEPT) and values["dias_atraso"] == ("00046", 46)
    assert "conjuge_data_nascimento" not in values  # zeros that say nothing
    wave = story(house, KEPT).events[-1]
    assert record_of(house.runtime, wave) is None
    path = house.runtime.archived(house.runtime.ledger.versions(REMESSAS[TUE])[0])
    kept = path.read_bytes()
    path.unlink()
    gone = record_of(house.runtime, update)
    assert gone is not None and gone.fault == "the archive has lost the file: see `atom verify`"
    path.write_bytes(kept)


def test_what_differs_between_two_days_is_the_difference_of_their_bases_and_mailings(house: Agency) -> None:
    found = compare_days(house.runtime, MON, TUE)
    assert found.notes == []
    assert found.found.situacoes.select("before", "after", "movimento", "examples").rows() == [
        ("ATIVO", "BAIXADO", "BAIXA_BATIMENTO", CLOSED),
        ("ATIVO", "BLOQUEIO PARCIAL", "BLOQUEIO", BLOCKED),
        ("ATIVO", "RETIRADO", "RETIRADA", RETIRED),
    ]
    assert found.found.moves.select("change", "contracts").rows() == [("left", 1)] * 3
    changed = found.found.rows.filter(table="manager_mailing", change="changed")
    assert changed.select("contrato", "columns").rows() == [(KEPT, "dias_atraso")]
    for first, last, words in (
        (TUE, MON, "is not before"), (MON, date(2026, 11, 12), "has no base; the nearest are 2026-11-10, 2026-11-11")
    ):  # fmt: skip
        with pytest.raises(AtomError, match=words):
            compare_days(house.runtime, first, last)


@contextmanager
def commands_of(house: Agency) -> Iterator[CliRunner]:
    """The command line over this house, its lines not folded."""
    settings = house.runtime.settings
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "ATOM_HOME": str(settings.home), "ATOM_LAYOUTS": str(settings.layouts), "ATOM_DROP_URL": settings.drop_url,
            "ATOM_MANAGER_URL": settings.manager_url, "ATOM_POSTGRES_URL": str(settings.postgres_url),
        }.items():  # fmt: skip
            patch.setenv(name, value)
        patch.setattr(terminal, "_width", 300)
        yield CliRunner()


@pytest.fixture
def atom(house: Agency) -> Iterator[CliRunner]:
    with commands_of(house) as commands:
        yield commands


def test_before_a_day_is_made_there_is_nothing_to_tell(tmp_path: Path, ledger_url: str) -> None:
    with agency(tmp_path, ledger_url) as empty, commands_of(empty) as commands:
        assert explain_contrato(empty.runtime, KEPT) is None
        assert contratos_of_client(empty.runtime, ANA) == []
        for words in (["explain", KEPT], ["diff", f"{MON}", f"{TUE}"]):
            assert "no day is made yet" in str(commands.invoke(app, words).exception)


def test_the_command_shows_no_personal_data_unless_it_is_asked_to(atom: CliRunner) -> None:
    masked = atom.invoke(app, ["explain", KEPT, "--records", "9"])
    assert masked.exit_code == 0, masked.output
    for words in (
        REMESSAS[TUE],
        "R004, UC001",
        "Enriquecimento 1",
        "dias_atraso",
        "*********01",
        "it is in the mailing",
    ):
        assert words in masked.output
    for value in (ANA, PHONE, PHONE[2:], ENRICHED, "CLIENTE DE TESTE"):
        assert value not in masked.output
    whole = atom.invoke(app, ["explain", "--cpf", "-", "--unmasked", "--all"], input=f"{ANA}\n")
    assert whole.exit_code == 0, whole.output
    assert "handle it as personal data" in whole.output and ANA in whole.output and PHONE in whole.output
    assert f"Contract {KEPT}" in whole.output and f"Contract {CLOSED}" in whole.output


def test_the_command_takes_one_question_and_says_when_there_is_nothing(atom: CliRunner) -> None:
    assert atom.invoke(app, ["explain", "--telefone", PHONE]).output.startswith(f"Contract {KEPT}: ATIVO since")
    assert atom.invoke(app, ["explain"]).exit_code == 2
    assert atom.invoke(app, ["explain", KEPT, "--cpf", ANA]).exit_code == 2
    for words in (["0000000888"], ["--telefone", "3133334444"], ["--cpf", CAIO[:9]]):
        nothing = atom.invoke(app, ["explain", *words])
        assert isinstance(nothing.exception, AtomError) and not any(word in str(nothing.exception) for word in words)


def test_the_command_diff_tells_reasons_and_writes_all(atom: CliRunner, tmp_path: Path) -> None:
    target = tmp_path / "diferenca.csv"
    shown = atom.invoke(app, ["diff", f"{MON}", f"{WED}", "--csv", str(target)])
    assert shown.exit_code == 0, shown.output
    for words in ("Fora do batimento", "BLOQUEIO PARCIAL now: Acordo em stand-by", CLOSED, "dias_atraso"):
        assert words in shown.output
    rows = pl.read_csv(target, infer_schema=False)
    assert set(rows["contrato"]) == {KEPT, BLOCKED, RETIRED, MUTE, CLOSED}
    assert not any(value in target.read_text() for value in (ANA, PHONE))


def test_a_file_that_came_after_the_base_was_made_is_told_first(house: Agency) -> None:
    name = "20261110_230000_remessa_528_out.528"
    house.put("remessa_assessoria", name, [client(KEPT, ANA, dias_atraso=50)], day=WED)
    house.collect()
    assert story(house, KEPT).why[0].startswith("the base of 2026-11-11 is behind its files or decisions")
    assert compare_days(house.runtime, MON, WED).notes == [
        "the base of 2026-11-11 is behind its files: `atom run 2026-11-11`"
    ]
