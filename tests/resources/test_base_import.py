"""Go-live: the agency's file becomes the base of a day, once, and the next day goes on from it."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from agency import Agency, agency, client, failures
from typer.testing import CliRunner

from assets import base as base_assets
from assets.base import previous_base
from atom_pipeline.cli import app
from atom_pipeline.errors import AtomError, FileRefused
from atom_pipeline.identity import id_crm
from atom_pipeline.layout.catalogue import load_catalogue
from atom_pipeline.rules.fold import FoldedDay, fold_day
from atom_pipeline.rules.shapes import carried_fields
from atom_pipeline.rules.state import TABLES, Schema, schema
from atom_pipeline.waves import removal_rows
from resources import base_import
from resources.base_file import Candidate, preview, read_import, write_template
from resources.base_import import accept_import
from resources.explain import explain_contrato
from resources.lake import Lake
from resources.ledger import Ledger
from resources.ledger_records import Base, NewFile, WaveKind, WaveStatus
from resources.postgres import engine
from resources.publish import manager_state
from resources.runtime import IMPORTED, PortfolioRuntime
from resources.settings import PROJECT_ROOT, Settings

# Monday to Friday, then the Monday after; Friday 20 November 2026 is a holiday.
MON, TUE, WED, THU, FRI = (date(2026, 11, day) for day in (9, 10, 11, 12, 13))
NEXT_MON = date(2026, 11, 16)
NOW = datetime(2026, 11, 30, 9, tzinfo=ZoneInfo("America/Sao_Paulo"))
ANA, BIA, CAIO, DORA = "52998224725", "11144477735", "39053344705", "12345678909"
ACTIVE, BLOCKED, RETIRED, CLOSED = "0000000101", "0000000102", "0000000103", "0000000104"

CATALOGUE = load_catalogue(PROJECT_ROOT / "layouts" / "banco_pan_veiculos")

Row = dict[str, str]


def settings(home: Path, url: str) -> Settings:
    environ = {"ATOM_HOME": str(home), "ATOM_POSTGRES_URL": url, "ATOM_LAYOUTS": str(PROJECT_ROOT / "layouts")}
    return Settings.from_env(environ)


@pytest.fixture
def runtime(tmp_path: Path, ledger_url: str) -> Iterator[PortfolioRuntime]:
    here = settings(tmp_path / "home", ledger_url)
    here.prepare()
    connections = engine(ledger_url)
    yield PortfolioRuntime(here, CATALOGUE, connections, lambda: NOW)
    connections.dispose()


def row(contrato: str, cpf: str, situacao: str = "ATIVO", **values: str) -> Row:
    known = {"nome": "CLIENTE DE TESTE", "situacao_desde": "01/10/2026", "no_manager": "N"}
    return {"contrato": contrato, "cpf_cnpj": cpf, "situacao": situacao} | known | values


def rows() -> list[Row]:
    """One contract in each situacao: an active one and a closed one at Manager, a block of two days before."""
    return [
        row(
            ACTIVE, ANA, no_manager="S", carteira="VEICULOS", valor_total="1.234,56", ultima_remessa="06/11/2026",
            telefone_1_ddd="31", telefone_1_numero="988887777", telefone_1_tipo="M", telefone_1_score="80",
            telefone_2_ddd="31", telefone_2_numero="33334444", telefone_2_enriquecimento="4",
            telefone_3_ddd="11", telefone_3_numero="977776666", telefone_3_enriquecimento="2",
            telefone_4_ddd="20", telefone_4_numero="977776666",
        ),
        row(
            BLOCKED, BIA, "BLOQUEIO PARCIAL", situacao_desde="05/11/2026", bloqueado_em="05/11/2026", nome="BIA",
            acordo_1_numero="900", acordo_1_parcela="1", acordo_1_motivo="QUEBRA", acordo_1_data="20/10/2026",
            acordo_2_numero="901", acordo_2_parcela="1", acordo_2_motivo="ACORDO", acordo_2_data="05/11/2026",
            telefone_1_ddd="21", telefone_1_numero="988887777",
        ),
        row(RETIRED, CAIO, "RETIRADO", motivo="Pedido do banco", primeira_alta="02/01/2026"),
        row(CLOSED, CAIO, "BAIXADO", no_manager="S"),
    ]  # fmt: skip


def write(runtime: PortfolioRuntime, file: Path, rows: list[Row]) -> Path:
    """The agency's file, its values as given, right or wrong."""
    file.unlink(missing_ok=True)
    write_template(runtime.catalogue, file, MON)
    titles = file.read_text(encoding="utf-8").strip().split(";")
    with file.open("a", encoding="utf-8", newline="") as stream:
        csv.DictWriter(stream, titles, restval="", delimiter=";").writerows(rows)
    return file


@pytest.fixture
def file(runtime: PortfolioRuntime, tmp_path: Path) -> Path:
    return write(runtime, tmp_path / "hoje.csv", rows())


def read(runtime: PortfolioRuntime, tmp_path: Path, *rows: Row, day: date = MON) -> Candidate:
    return read_import(runtime, write(runtime, tmp_path / "hoje.csv", list(rows)), day)


def accept(runtime: PortfolioRuntime, file: Path, day: date = MON) -> Base:
    return accept_import(runtime, read_import(runtime, file, day), why="entrada em produção", author="maria")


def one(frame: pl.DataFrame, contrato: str) -> dict[str, object]:
    return frame.row(by_predicate=pl.col("contrato") == contrato, named=True)


def refused(candidate: Candidate) -> list[tuple[object, ...]]:
    return candidate.refused.select("linha", "campo", "motivo").rows()


def written(home: Path) -> list[str]:
    """Every file under the home but PostgreSQL's own."""
    return sorted(str(path.relative_to(home)) for path in home.rglob("*") if path.is_file())


# The tables.


def test_the_file_becomes_every_table_of_the_base(runtime: PortfolioRuntime, file: Path) -> None:
    base = accept(runtime, file)
    layouts = list(runtime.catalogue.inputs())
    for table in TABLES:
        fields: Schema = carried_fields(table, day=MON, portfolio=runtime.portfolio, layouts=layouts)
        found = runtime.lake.read(table, MON)
        assert dict(found.schema) == schema(table, fields), table
        assert base.tables[table] == runtime.lake.sha256(table, MON)
    contratos = runtime.lake.read("contratos", MON)
    assert contratos["contrato"].to_list() == [ACTIVE, BLOCKED, RETIRED, CLOSED]
    ids = id_crm(runtime.name, pl.Series([ANA, BIA, CAIO, CAIO])).to_list()
    assert contratos["id_crm"].to_list() == ids
    active, blocked = one(contratos, ACTIVE), one(contratos, BLOCKED)
    assert (active["motivo"], active["ultima_remessa"], active["bloqueado_em"], active["numero_acordo"]) == (
        "Alta pela remessa",
        date(2026, 11, 6),
        None,
        None,
    )
    assert (active["carteira"], active["valor_total"], active["placa"]) == ("VEICULOS", Decimal("1234.56"), None)
    assert (blocked["situacao"], blocked["bloqueado_em"], blocked["numero_acordo"], blocked["motivo"]) == (
        "BLOQUEIO PARCIAL",
        date(2026, 11, 5),
        "901",
        "Acordo em stand-by",
    )
    retired = one(contratos, RETIRED)
    assert (retired["motivo"], retired["primeira_alta"]) == ("Pedido do banco", date(2026, 1, 2))
    assert one(contratos, CLOSED)["primeira_alta"] == date(2026, 10, 1)
    fichas = {(row["cpf_cnpj"], row["nome"]): row["status"] for row in runtime.lake.read("fichas", MON).to_dicts()}
    assert fichas == {
        (ANA, "CLIENTE DE TESTE"): "ATIVA",
        (BIA, "BIA"): "BLOQUEIO PARCIAL",
        (CAIO, "CLIENTE DE TESTE"): "TODOS CONTRATOS BAIXADOS",
    }
    for table in ("enderecos", "parcelas_abertas", "garantias", "refin_vigente", "marcacoes", "movimentos", "cargas"):
        assert runtime.lake.read(table, MON).is_empty()


def test_phones_keep_their_order_type_and_n_of_enrichment(runtime: PortfolioRuntime, file: Path) -> None:
    phones = read_import(runtime, file, MON).base.tables["telefones_contato"].filter(pl.col("contrato") == ACTIVE)
    columns = ("ordem", "telefone", "tipo", "score", "origem", "enriquecimento", "enriquecido_em", "desde")
    assert phones.select(columns).rows() == [
        (1, "31988887777", "celular", 80, "REMESSA", None, None, MON),
        (2, "11977776666", "Enriquecimento 2", None, "ENRIQUECIMENTO", 2, MON, MON),
        (3, "3133334444", "Enriquecimento 4", None, "ENRIQUECIMENTO", 4, MON, MON),
    ]


def test_acordos_block_or_not_by_the_portfolios_motives(runtime: PortfolioRuntime, file: Path) -> None:
    acordos = read_import(runtime, file, MON).base.tables["acordos"]
    columns = ("contrato", "numero_acordo", "parcela", "bloqueia", "primeiro_dia", "linha")
    assert acordos.select(columns).rows() == [
        (BLOCKED, "900", "1", False, MON, 3),
        (BLOCKED, "901", "1", True, MON, 3),
    ]


# The preview.


def test_the_preview_counts_what_would_be_made_and_when_each_block_is_released(
    runtime: PortfolioRuntime, file: Path
) -> None:
    shown = preview(runtime, read_import(runtime, file, MON))
    assert (shown.rows_read, shown.rows_accepted, shown.rows_refused, shown.clients) == (4, 4, 0, 3)
    assert shown.situacoes == {"ATIVO": 1, "BAIXADO": 1, "BLOQUEIO PARCIAL": 1, "RETIRADO": 1}
    # blocked on Thursday: the 1st, 2nd and 3rd days are Friday, Monday and Tuesday
    assert shown.blocks.rows() == [(date(2026, 11, 5), WED, "BLOQUEIO PARCIAL", 1)]
    assert (shown.phones, shown.phones_left_out) == ({"ENRIQUECIMENTO": 2, "REMESSA": 2}, 1)
    assert shown.acordos == {"que bloqueiam": 1, "que não bloqueiam": 1}
    assert shown.manager == {"ATIVO": 1, "BAIXADO": 1}
    assert shown.flagged == {"DDD": 1}


def test_a_block_out_of_its_window_is_not_shown_as_one(runtime: PortfolioRuntime, tmp_path: Path) -> None:
    edge = row(BLOCKED, BIA, "BLOQUEIO PARCIAL", bloqueado_em="04/11/2026")  # Monday is the 3rd day
    before = row(ACTIVE, ANA, "BLOQUEIO PARCIAL", bloqueado_em="03/11/2026")
    shown = preview(runtime, read(runtime, tmp_path, edge, before))
    assert shown.blocks.rows() == [(date(2026, 11, 4), TUE, "BLOQUEIO PARCIAL", 1)]


def test_reading_and_showing_writes_nothing(runtime: PortfolioRuntime, file: Path) -> None:
    before = written(runtime.settings.home)
    preview(runtime, read_import(runtime, file, MON))
    assert written(runtime.settings.home) == before
    assert runtime.ledger.bases() == runtime.ledger.waves() == runtime.ledger.decisions(MON) == []


# Refused rows.


@pytest.mark.parametrize(
    ("values", "fault"),
    [
        ({"situacao": "BLOQUEIO PARCIAL"}, ("bloqueado_em", "OBRIGATORIO")),
        ({"bloqueado_em": "10/11/2026"}, ("bloqueado_em", "FAIXA")),
        ({"situacao_desde": "10/11/2026"}, ("situacao_desde", "FAIXA")),
        ({"ultima_remessa": "10/11/2026"}, ("ultima_remessa", "FAIXA")),
        ({"acordo_2_numero": "1", "acordo_2_data": "10/11/2026"}, ("acordo_2_data", "FAIXA")),
        ({"primeira_alta": "02/10/2026"}, ("primeira_alta", "INCOERENTE")),
        ({"situacao": "BLOQUEIO PARCIAL", "bloqueado_em": "30/09/2026"}, ("situacao_desde", "INCOERENTE")),
        ({"acordo_1_parcela": "1"}, ("acordo_1_numero", "OBRIGATORIO")),
        (
            {"telefone_1_enriquecimento": "3", "telefone_5_enriquecimento": "3"},
            ("telefone_5_enriquecimento", "CHAVE_REPETIDA"),
        ),
        ({"situacao": "SUSPENSO"}, ("situacao", "DOMINIO")),
        ({"cpf_cnpj": "52998224724"}, ("cpf_cnpj", "CPF_CNPJ")),
        ({"no_manager": ""}, ("no_manager", "OBRIGATORIO")),
        ({"valor_total": "muito"}, ("valor_total", "TIPO")),
    ],
)
def test_a_row_that_contradicts_itself_or_the_layout_is_refused(
    runtime: PortfolioRuntime, tmp_path: Path, values: Row, fault: tuple[str, str]
) -> None:
    good = row(CLOSED, CAIO)
    candidate = read(runtime, tmp_path, good, row(ACTIVE, ANA) | values)
    assert refused(candidate) == [(3, *fault)]
    assert candidate.rows["contrato"].to_list() == [CLOSED]
    assert (candidate.rows_read, candidate.refused["original"].item()[:10]) == (2, ACTIVE)
    assert candidate.base.tables["contratos"]["contrato"].to_list() == [CLOSED]


def test_what_is_dated_on_the_day_itself_is_good(runtime: PortfolioRuntime, tmp_path: Path) -> None:
    today = row(BLOCKED, BIA, "BLOQUEIO PARCIAL", situacao_desde="09/11/2026", bloqueado_em="09/11/2026")
    assert refused(read(runtime, tmp_path, today)) == []


def test_a_contract_that_stands_twice_is_refused_but_for_its_last_row(
    runtime: PortfolioRuntime, tmp_path: Path
) -> None:
    candidate = read(runtime, tmp_path, row(ACTIVE, ANA), row("101", ANA, "BAIXADO"), row(CLOSED, CAIO))
    assert refused(candidate) == [(2, "contrato", "CHAVE_REPETIDA")]
    assert one(candidate.base.tables["contratos"], ACTIVE)["situacao"] == "BAIXADO"


def test_all_that_is_wrong_with_a_row_is_told_of_it_once(runtime: PortfolioRuntime, tmp_path: Path) -> None:
    bad = row(
        ACTIVE, ANA, "BLOQUEIO PARCIAL", situacao_desde="10/11/2026", acordo_1_motivo="ACORDO", acordo_3_parcela="2"
    )
    refusal = read(runtime, tmp_path, bad).refused.row(0, named=True)
    assert (refusal["campo"], refusal["motivo"]) == ("situacao_desde", "FAIXA")
    assert refusal["outros"] == (
        "bloqueado_em: OBRIGATORIO; acordo_1_numero: OBRIGATORIO; acordo_3_numero: OBRIGATORIO"
    )


def test_what_is_doubtful_is_kept_and_flagged(runtime: PortfolioRuntime, tmp_path: Path) -> None:
    candidate = read(
        runtime,
        tmp_path,
        row(ACTIVE, ANA, nome="José  da Silva", bloqueado_em="05/11/2026"),
        row(BLOCKED, ANA, "BLOQUEIO PARCIAL", nome="JOSE DA SILVA", bloqueado_em="06/11/2026"),
        row(RETIRED, CAIO, nome="CAIO", acordo_1_numero="5", acordo_1_motivo="NOVIDADE"),
        row(CLOSED, CAIO, nome="OUTRO"),
    )
    flagged = candidate.base.tables["sinalizadas"].select("linha", "campo", "motivo").rows()
    assert sorted(flagged) == [
        (2, "bloqueado_em", "ATIVO_NA_JANELA"),
        (3, "acordo_1_numero", "BLOQUEIO_SEM_ACORDO"),
        (4, "acordo_1_parcela", "ACORDO_SEM_PARCELA"),
        (4, "motivo", "MOTIVO_DESCONHECIDO"),
        (4, "nome", "NOME_DIVERGENTE"),
        (5, "nome", "NOME_DIVERGENTE"),
    ]
    assert candidate.refused.is_empty()


def test_refused_rows_stop_the_import_unless_they_are_left_out_knowingly(
    runtime: PortfolioRuntime, tmp_path: Path
) -> None:
    candidate = read(runtime, tmp_path, row(ACTIVE, ANA), row(BLOCKED, BIA, "BLOQUEIO PARCIAL", no_manager="S"))
    with pytest.raises(AtomError, match=r"1 of 2 rows are refused.*--allow-refused"):
        accept_import(runtime, candidate, why="entrada", author="maria")
    assert runtime.ledger.newest_base() is None
    accept_import(runtime, candidate, why="entrada", author="maria", allow_refused=True)
    assert runtime.lake.read("contratos", MON)["contrato"].to_list() == [ACTIVE]
    assert runtime.lake.read("recusadas", MON).select("layout", "arquivo", "linha", "campo", "motivo").rows() == [
        ("base_inicial", "hoje.csv", 3, "bloqueado_em", "OBRIGATORIO")
    ]
    assert manager_state(runtime.ledger, runtime.lake).is_empty()


def test_a_file_of_another_layout_is_refused_whole(runtime: PortfolioRuntime, tmp_path: Path) -> None:
    other = tmp_path / "outro.csv"
    other.write_text("contrato;situacao\r\n1;ATIVO\r\n")
    with pytest.raises(FileRefused, match=r"outro\.csv"):
        read_import(runtime, other, MON)


# What stands in the way.


@pytest.mark.parametrize(
    ("day", "why"),
    [
        (date(2026, 11, 20), "does not operate.*--day 2026-11-19"),
        (date(2026, 11, 8), "does not operate.*--day 2026-11-06"),
        (date(2023, 6, 30), "before the portfolio's start.*--day 2023-07-03"),
        (date(2026, 12, 1), "has not come yet.*--day 2026-11-27"),
    ],
)
def test_the_base_is_of_a_working_day_that_has_come(runtime: PortfolioRuntime, file: Path, day: date, why: str) -> None:
    with pytest.raises(AtomError, match=why):
        read_import(runtime, file, day)


def test_a_base_that_is_there_already_is_never_replaced(runtime: PortfolioRuntime, file: Path) -> None:
    candidate = read_import(runtime, file, MON)
    accept(runtime, file, TUE)
    with pytest.raises(AtomError, match=r"has a base already: that of 2026-11-10 was imported.*empty ATOM_HOME"):
        accept_import(runtime, candidate, why="de novo", author="maria")
    with pytest.raises(AtomError, match="has a base already"):
        read_import(runtime, file, WED)
    assert [base.day for base in runtime.ledger.bases()] == [TUE]
    assert not runtime.lake.exists("contratos", MON)


@pytest.mark.parametrize(("why", "author"), [("", "maria"), ("entrada", "  ")])
def test_it_is_accepted_by_someone_and_for_a_reason(
    runtime: PortfolioRuntime, file: Path, why: str, author: str
) -> None:
    with pytest.raises(AtomError, match="--why and --author"):
        accept_import(runtime, read_import(runtime, file, MON), why=why, author=author)
    assert runtime.ledger.newest_base() is None


def test_a_file_that_changed_since_it_was_shown_is_not_accepted(runtime: PortfolioRuntime, file: Path) -> None:
    candidate = read_import(runtime, file, MON)
    write(runtime, file, rows()[:2])
    with pytest.raises(AtomError, match="changed while it was read"):
        accept_import(runtime, candidate, why="entrada", author="maria")
    assert runtime.ledger.newest_base() is None


# On the record.


def test_the_file_the_decision_and_the_base_are_on_the_record(runtime: PortfolioRuntime, file: Path) -> None:
    base = accept(runtime, file)
    kept = runtime.archive / "2026-11-09" / "base_inicial" / "hoje.csv"
    assert kept.read_bytes() == file.read_bytes()
    assert base.imported and base.complete and (base.day, base.previous_day) == (MON, None)
    assert base.tables.keys() == {*TABLES, IMPORTED}
    assert runtime.lake.read(IMPORTED, MON)["linha"].to_list() == [2, 3, 4, 5]
    assert [(one.what, one.why, one.author) for one in runtime.ledger.decisions(MON)] == [
        ("import-base", "entrada em produção", "maria")
    ]
    wave = runtime.ledger.last_sent_wave()
    assert wave is not None
    assert (wave.kind, wave.status, wave.day, wave.files) == (WaveKind.IMPORTACAO, WaveStatus.SENT, MON, ())
    assert list(Path(runtime.settings.manager_url.removeprefix("file://")).iterdir()) == []
    assert runtime.stale() == []


def test_the_same_file_again_changes_nothing(runtime: PortfolioRuntime, file: Path) -> None:
    first = accept(runtime, file)
    before = written(runtime.settings.home)
    assert accept(runtime, file) == first
    assert written(runtime.settings.home) == before
    assert len(runtime.ledger.waves()) == len(runtime.ledger.decisions(MON)) == 1


class Killed(BaseException):
    """No handler of the import's own catches it."""


def kill_at(patched: pytest.MonkeyPatch, owner: object, step: str) -> None:
    def kill(*_: object, **__: object) -> None:
        raise Killed

    patched.setattr(owner, step, kill)


@pytest.mark.parametrize("step", ["decide", "plan_wave", "mark_wave_sent", "record_base"])
def test_an_import_that_was_killed_is_run_again_with_the_same_result(
    runtime: PortfolioRuntime, file: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    candidate = read_import(runtime, file, MON)
    with monkeypatch.context() as patched:
        kill_at(patched, Ledger, step)
        with pytest.raises(Killed):
            accept(runtime, file)
    assert runtime.ledger.newest_base() is None
    base = accept(runtime, file)
    assert [(wave.number, wave.status) for wave in runtime.ledger.waves()] == [(1, WaveStatus.SENT)]
    assert len(runtime.ledger.decisions(MON)) == 1
    assert written(runtime.archive) == ["2026-11-09/base_inicial/hoje.csv"]
    frames = {**candidate.base.tables, IMPORTED: candidate.rows}
    assert dict(base.tables) == {name: runtime.lake.sha256(name, MON) for name in frames}
    assert all(runtime.lake.read(name, MON).equals(frame) for name, frame in frames.items())


def put_next_day(house: Agency) -> None:
    arrived = [client(ACTIVE, ANA), client(BLOCKED, BIA)]
    house.put("remessa_assessoria", f"{MON:%Y%m%d}_190000_remessa_528_out.528", arrived, day=TUE)
    house.collect()


@pytest.mark.parametrize(
    ("owner", "step"),
    [
        (base_import, "_archive"),
        (Lake, "write"),
        (Ledger, "plan_wave"),
        (Ledger, "mark_wave_sent"),
        (Ledger, "record_base"),
    ],
)
def test_no_day_is_made_after_a_killed_import_until_it_is_run_again(
    tmp_path: Path, ledger_url: str, monkeypatch: pytest.MonkeyPatch, owner: object, step: str
) -> None:
    with agency(tmp_path / "home", ledger_url, now=NOW) as house:
        file = write(house.runtime, tmp_path / "hoje.csv", rows())
        with monkeypatch.context() as patched:
            kill_at(patched, owner, step)
            with pytest.raises(Killed):
                accept(house.runtime, file)
        put_next_day(house)
        stopped = house.run(TUE)
        assert not stopped.success
        assert any("base of 2026-11-09 was begun and is not finished" in said for said in failures(stopped))
        assert house.runtime.ledger.bases() == house.sent() == []
        assert {wave.kind for wave in house.runtime.ledger.waves()} <= {WaveKind.IMPORTACAO}
        base = accept(house.runtime, file)
        assert previous_base(house.runtime, TUE) == base
        assert manager_state(house.runtime.ledger, house.runtime.lake)["contrato"].to_list() == [ACTIVE, CLOSED]


def test_an_import_that_was_killed_before_its_decision_was_never_begun(
    tmp_path: Path, ledger_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with agency(tmp_path / "home", ledger_url, now=NOW) as house:
        with monkeypatch.context() as patched:
            kill_at(patched, Ledger, "decide")
            with pytest.raises(Killed):
                accept(house.runtime, write(house.runtime, tmp_path / "hoje.csv", rows()))
        assert previous_base(house.runtime, TUE) is None
        assert house.runtime.ledger.waves() == []
        assert not house.runtime.archive.exists() and not house.runtime.lake.exists("contratos", MON)


def test_a_day_that_was_opened_before_the_import_is_no_base_and_sends_nothing(
    tmp_path: Path, ledger_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with agency(tmp_path / "home", ledger_url, now=NOW) as house:
        file = write(house.runtime, tmp_path / "hoje.csv", rows())
        put_next_day(house)

        def opened_then_imported(runtime: PortfolioRuntime, day: date) -> Base | None:
            found = previous_base(runtime, day)
            accept(house.runtime, file)
            return found

        with monkeypatch.context() as patched:
            patched.setattr(base_assets, "previous_base", opened_then_imported)
            stopped = house.run(TUE)
        assert any("2026-11-09 was imported while 2026-11-10 was made" in said for said in failures(stopped))
        assert [base.day for base in house.runtime.ledger.bases()] == [MON]
        assert house.sent() == []
        house.make(TUE)
        assert house.situacoes(TUE)[BLOCKED] == "BLOQUEIO PARCIAL"


def test_a_file_that_comes_during_the_import_stops_it(
    runtime: PortfolioRuntime, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = base_import._archive

    def arrive(*given: Any) -> Path:
        collected(runtime, MON, "atrasado.txt")
        return archive(*given)

    with monkeypatch.context() as patched:
        patched.setattr(base_import, "_archive", arrive)
        with pytest.raises(AtomError, match="came meanwhile: run the import again"):
            accept(runtime, file)
    assert runtime.ledger.bases() == runtime.ledger.waves() == []
    with pytest.raises(AtomError, match=r"no base was made from atrasado\.txt \(2026-11-09\)"):
        accept(runtime, file)


def test_a_day_made_during_the_import_stands_and_the_import_goes_no_further(
    runtime: PortfolioRuntime, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = base_import._archive

    def made(*given: Any) -> Path:
        runtime.ledger.record_base(Base(TUE, "h", {}, "i", None, None, True, {}))
        return archive(*given)

    monkeypatch.setattr(base_import, "_archive", made)
    with pytest.raises(AtomError, match="that of 2026-11-10 was made from files"):
        accept(runtime, file)
    assert runtime.ledger.waves() == []
    runtime.refuse_unfinished_import()


# Files of the days that the base stands for.


def collected(runtime: PortfolioRuntime, day: date, name: str, content: str = "a") -> None:
    """A file on the record, as the collector leaves it; its bytes are of no concern here."""
    sha256 = hashlib.sha256(f"{name}{content}".encode()).hexdigest()
    runtime.ledger.record_file(NewFile(name, "acordos_baixados", day, sha256, 1, f"{day}/{name}"))


def test_files_that_no_base_was_made_from_stop_the_import_unless_they_are_left_unread_knowingly(
    runtime: PortfolioRuntime, file: Path
) -> None:
    for day, name in ((MON, "segunda.txt"), (date(2026, 11, 6), "sexta.txt"), (TUE, "terca.txt")):
        collected(runtime, day, name)
    candidate = read_import(runtime, file, MON)
    assert preview(runtime, candidate).unread == [(date(2026, 11, 6), "sexta.txt"), (MON, "segunda.txt")]
    with pytest.raises(AtomError, match=r"sexta\.txt \(2026-11-06\), segunda\.txt \(2026-11-09\).*--allow-unread"):
        accept_import(runtime, candidate, why="entrada", author="maria")
    assert runtime.ledger.decisions() == []
    accept_import(runtime, candidate, why="entrada", author="maria", allow_unread=True)
    (decision,) = runtime.ledger.decisions()
    assert decision.why == "entrada (sem ler sexta.txt (2026-11-06), segunda.txt (2026-11-09))"
    assert runtime.behind_import() == preview(runtime, candidate).unread == []


def test_files_that_come_after_the_import_for_the_days_it_stands_for_are_told(
    runtime: PortfolioRuntime, file: Path
) -> None:
    collected(runtime, MON, "conhecido.txt")
    collected(runtime, MON, "corrigido.txt")
    assert runtime.behind_import() == []  # there is no imported base
    accept_import(runtime, read_import(runtime, file, MON), why="entrada", author="maria", allow_unread=True)
    collected(runtime, MON, "corrigido.txt", "outro conteúdo")
    collected(runtime, TUE, "do_dia_seguinte.txt")
    collected(runtime, date(2026, 11, 6), "atrasado.txt")
    told = [(date(2026, 11, 6), "atrasado.txt"), (MON, "corrigido.txt")]
    assert runtime.behind_import() == told
    accept(runtime, file)
    assert runtime.behind_import() == told


def test_tables_that_the_lake_lost_are_put_back_by_the_same_file(runtime: PortfolioRuntime, file: Path) -> None:
    base = accept(runtime, file)
    places = [Path(runtime.lake.path(name, MON)) for name in ("contratos", "acordos")]
    before = [place.read_bytes() for place in places]
    places[0].unlink()
    runtime.lake.write("acordos", MON, pl.DataFrame({"contrato": ["1"]}))
    with pytest.raises(AtomError, match=r"\(acordos, contratos\): restore the lake.*or import the same file again"):
        previous_base(runtime, TUE)
    assert accept(runtime, file) == base == previous_base(runtime, TUE)
    assert [place.read_bytes() for place in places] == before


@pytest.mark.parametrize("step", ["mark_wave_sent", "record_base"])
def test_a_file_corrected_after_a_killed_import_says_anew_what_manager_holds(
    runtime: PortfolioRuntime, file: Path, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(Ledger, step, lambda *_, **__: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            accept(runtime, file)
    write(runtime, file, rows()[:1])
    accept(runtime, file)
    assert manager_state(runtime.ledger, runtime.lake)["contrato"].to_list() == [ACTIVE]
    assert written(runtime.archive) == ["2026-11-09/base_inicial/hoje.csv", "2026-11-09/base_inicial/hoje.csv.v2"]


# The days after.


def fold(runtime: PortfolioRuntime, day: date, **received: list[dict[str, object]]) -> FoldedDay:
    """The day after the import by the rules alone, on the tables in the lake."""
    layouts = runtime.catalogue.layouts
    frames: dict[str, pl.DataFrame | None] = {}
    for name, items in received.items():
        frame = pl.DataFrame(items).with_columns(
            arquivo=pl.lit(f"{name}.txt"),
            linha=pl.int_range(1, pl.len() + 1, dtype=pl.UInt32),
            carimbo=pl.lit(datetime(2026, 11, 9, 19)).cast(pl.Datetime("us")),
            ordem=pl.lit(1, pl.Int64),
            registro=pl.lit("detalhe"),
        )
        frames[name] = frame
    previous = {table: runtime.lake.read(table, MON) for table in TABLES}
    return fold_day(previous, frames, day=day, portfolio=runtime.portfolio, layouts=layouts)


STANDING = {
    "contrato": BLOCKED, "numero_acordo": "901", "parcela": 1, "motivo": "ACORDO", "data_movimento": date(2026, 11, 5)
}  # fmt: skip


@pytest.mark.parametrize(("day", "situacao"), [(TUE, "BLOQUEIO PARCIAL"), (WED, "ATIVO")])
def test_the_remessa_ignores_an_imported_block_until_the_day_it_was_shown_to_be_released(
    runtime: PortfolioRuntime, file: Path, day: date, situacao: str
) -> None:
    accept(runtime, file)
    after = fold(runtime, day, remessa_assessoria=[client(BLOCKED, BIA)])
    assert one(after.tables["contratos"], BLOCKED)["situacao"] == situacao
    event = "IGNORADO_BLOQUEIO" if day == TUE else "ALTA"
    assert after.tables["movimentos"]["movimento"].to_list() == [event]


def test_a_standing_list_does_not_block_an_imported_acordo_again_and_a_new_one_does(
    runtime: PortfolioRuntime, file: Path
) -> None:
    accept(runtime, file)
    again = fold(runtime, TUE, acordos_baixados=[STANDING])
    assert again.tables["movimentos"].is_empty()
    assert one(again.tables["contratos"], BLOCKED)["bloqueado_em"] == date(2026, 11, 5)
    new = fold(runtime, TUE, acordos_baixados=[STANDING | {"numero_acordo": "902"}])
    assert new.tables["movimentos"]["movimento"].to_list() == ["BLOQUEIO"]
    assert one(new.tables["contratos"], BLOCKED)["bloqueado_em"] == TUE


def test_a_client_keeps_its_name_and_phones_until_the_remessa_comes(runtime: PortfolioRuntime, file: Path) -> None:
    accept(runtime, file)
    after = fold(runtime, TUE, remessa_assessoria=[client("0000000999", DORA, nome="DORA")])
    assert after.tables["telefones_contato"].filter(pl.col("contrato") == ACTIVE).height == 3
    assert "BIA" in after.tables["fichas"]["nome"].to_list()
    assert after.tables["fichas"]["nome"].null_count() == 0


def test_a_contracts_story_begins_with_the_import(runtime: PortfolioRuntime, file: Path) -> None:
    accept(runtime, file)
    story = explain_contrato(runtime, "102")
    assert story is not None
    assert [(event.dia, event.movimento, event.depois, event.linha) for event in story.events] == [
        (MON, "IMPORTACAO", "BLOQUEIO PARCIAL", 3)
    ]
    assert story.events[0].arquivo == "hoje.csv"
    assert story.why == [
        "no file of 2026-11-30 was collected yet: this is as of 2026-11-09",
        "it is not in the mailing: BLOQUEIO PARCIAL since 2026-11-05 for acordo 901, hoje.csv line 3 (R017, R019)",
        "blocked last on 2026-11-05, it stays so until 2026-11-11: remessa rows are ignored before that day (R020); "
        "from then on one makes it ATIVO again",
        "Manager was never sent it",
    ]
    active = explain_contrato(runtime, "101")
    assert active is not None and active.why[1:] == [
        "it is ATIVO since 2026-10-01; no mailing is made of the imported base of 2026-11-09",
        "Manager has it, since wave 2026-11-09/01 (CARGA)",
    ]


def test_what_manager_holds_is_known_so_that_what_is_no_longer_wanted_leaves(
    runtime: PortfolioRuntime, file: Path
) -> None:
    accept(runtime, file)
    held = manager_state(runtime.ledger, runtime.lake)
    assert held.select("contrato", "onda", "dia").rows() == [(ACTIVE, 1, MON), (CLOSED, 1, MON)]
    wanted = held.filter(pl.col("contrato") == ACTIVE)
    assert removal_rows(wanted, held).select("contrato", "operacao").rows() == [(CLOSED, "BAIXA")]


def test_the_next_day_runs_from_the_imported_base(tmp_path: Path, ledger_url: str) -> None:
    with agency(tmp_path / "home", ledger_url) as house:
        accept(house.runtime, write(house.runtime, tmp_path / "hoje.csv", rows()))
        evening = f"{TUE - timedelta(days=1):%Y%m%d}_190000"
        arrived = [client(ACTIVE, ANA), client(BLOCKED, BIA)]
        house.put("remessa_assessoria", f"{evening}_remessa_528_out.528", arrived, day=TUE)
        house.put("acordos_baixados", f"AcordosBaixados_{TUE:%d%m%Y}_528.csv", [STANDING], day=TUE)
        house.make(TUE)
        assert house.situacoes(TUE) == {
            ACTIVE: "ATIVO",
            BLOCKED: "BLOQUEIO PARCIAL",
            RETIRED: "RETIRADO",
            CLOSED: "BAIXADO",
        }
        base = house.runtime.ledger.base(TUE)
        assert base is not None and base.previous_day == MON
        assert house.runtime.stale() == []
        held = manager_state(house.runtime.ledger, house.runtime.lake)
        assert held["contrato"].to_list() == [ACTIVE]
        assert "IMPORTADO" not in held["conteudo"].to_list()
        kinds = [(wave.day, wave.kind.value) for wave in house.runtime.ledger.waves()]
        assert kinds == [(MON, "importacao"), (TUE, "baixa"), (TUE, "carga")]


def test_the_day_of_the_import_and_those_before_it_are_never_made_from_files(tmp_path: Path, ledger_url: str) -> None:
    with agency(tmp_path / "home", ledger_url, now=NOW) as house:
        base = accept(house.runtime, write(house.runtime, tmp_path / "hoje.csv", rows()), TUE)
        for day in (MON, TUE):
            house.put("acordos_baixados", f"AcordosBaixados_{day:%d%m%Y}_528.csv", [STANDING], day=day)
        house.collect()
        for day in (MON, TUE):
            stopped = house.run(day)
            assert not stopped.success
            assert any("the base of 2026-11-10 was imported" in said for said in failures(stopped))
        assert house.runtime.behind_import() == [
            (day, f"AcordosBaixados_{day:%d%m%Y}_528.csv") for day in (MON, TUE)
        ]  # though the runs read them
        assert house.runtime.ledger.bases() == [base]
        assert dict(base.tables) == {name: house.runtime.lake.sha256(name, TUE) for name in base.tables}
        assert house.runtime.stale() == []


# The command.


@pytest.fixture
def environment(runtime: PortfolioRuntime, ledger_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATOM_HOME", str(runtime.settings.home))
    monkeypatch.setenv("ATOM_POSTGRES_URL", ledger_url)
    monkeypatch.setenv("ATOM_LAYOUTS", str(runtime.settings.layouts))
    monkeypatch.delenv("ATOM_DROP_URL", raising=False)
    monkeypatch.delenv("ATOM_MANAGER_URL", raising=False)


@pytest.mark.usefixtures("environment")
def test_the_command_shows_and_writes_only_when_told_to_accept(runtime: PortfolioRuntime, file: Path) -> None:
    before = written(runtime.settings.home)
    shown = CliRunner().invoke(app, ["base", "import", str(file), "--day", "2026-11-09"])
    assert (shown.exit_code, written(runtime.settings.home)) == (0, before)
    assert "nothing was written" in shown.output and "2026-11-11" in shown.output
    assert runtime.ledger.bases() == runtime.ledger.waves() == []
    accepted = CliRunner().invoke(
        app, ["base", "import", str(file), "--day", "2026-11-09", "--accept", "--why", "entrada", "--author", "maria"]
    )
    assert accepted.exit_code == 0, accepted.output
    assert [base.day for base in runtime.ledger.bases()] == [MON]
    for secret in (ANA, BIA, CAIO, "CLIENTE DE TESTE", "988887777", "33334444"):
        assert secret not in shown.output + accepted.output


@pytest.mark.usefixtures("environment")
def test_the_command_lists_refused_rows_without_personal_data_and_fails(runtime: PortfolioRuntime, file: Path) -> None:
    write(runtime, file, [row(ACTIVE, ANA), row(BLOCKED, "52998224724", nome="NOME DE ALGUEM")])
    shown = CliRunner().invoke(app, ["base", "import", str(file), "--day", "2026-11-09"])
    assert shown.exit_code == 1
    assert "cpf_cnpj" in shown.output and "CPF_CNPJ" in shown.output
    assert "52998224724" not in shown.output and "ALGUEM" not in shown.output


@pytest.mark.usefixtures("environment")
def test_the_command_lists_the_files_it_would_leave_unread_and_fails(runtime: PortfolioRuntime, file: Path) -> None:
    collected(runtime, MON, "segunda.txt")
    order = ["base", "import", str(file), "--day", "2026-11-09"]
    shown = CliRunner().invoke(app, order)
    assert shown.exit_code == 1 and "segunda.txt" in shown.output and "--allow-unread" in shown.output
    assert CliRunner().invoke(app, [*order, "--allow-unread"]).exit_code == 0
    accepted = CliRunner().invoke(app, [*order, "--allow-unread", "--accept", "--why", "entrada"])
    assert accepted.exit_code == 0, accepted.output


@pytest.mark.usefixtures("environment")
def test_the_template_is_the_line_of_titles_and_never_replaces_a_file(
    runtime: PortfolioRuntime, tmp_path: Path
) -> None:
    target = tmp_path / "modelo.csv"
    made = CliRunner().invoke(app, ["base", "template", str(target)])
    assert made.exit_code == 0, made.output
    titles = target.read_text(encoding="utf-8").strip().split(";")
    assert titles[:4] == ["contrato", "cpf_cnpj", "nome", "situacao"] and len(titles) == 99
    again = CliRunner().invoke(app, ["base", "template", str(target)])
    assert isinstance(again.exception, AtomError)
    with pytest.raises(FileRefused, match="VAZIO"):
        read_import(runtime, target, MON)
