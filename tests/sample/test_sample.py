"""A generated sample, whole: the same bytes for the same seed, read back by the layouts, folded by the rules."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from atom_pipeline.calendar import WorkingCalendar
from atom_pipeline.layout import names
from atom_pipeline.layout.catalogue import Catalogue, load_catalogue
from atom_pipeline.layout.model import Stage
from atom_pipeline.layout.reading import Reading, read_file
from atom_pipeline.rules.fold import FoldedDay, fold_day
from atom_pipeline.rules.merge import merge_files
from atom_pipeline.sample import DayReport, SampleReport, generate
from atom_pipeline.sample.files import cut_lines

LAYOUTS = Path(__file__).parents[2] / "layouts" / "banco_pan_veiculos"
CATALOGUE = load_catalogue(LAYOUTS)
FIRST_DAY = date(2026, 2, 12)  # a Thursday; the Monday and Tuesday after it are Carnival
CONTRACTS, DAYS, SEED = 600, 7, 20
MOVEMENTS = ("ALTA", "REATIVACAO", "BLOQUEIO", "ACORDO_REGISTRADO", "RETIRADA", "BAIXA_BATIMENTO")
LEAVES_THE_BASE_ALONE = {"MOTIVO_NAO_BLOQUEIA", "OUTRA_CARTEIRA", "CPF_DIVERGENTE"}
OF_MESSAGES = {"CONTRATO_NAO_ATIVO", "MENSAGEM_REPETIDA", "CLIENTE_FORA_DA_BASE", "TELEFONE_FORA_DA_BASE"}


@dataclass(frozen=True)
class Sample:
    """A generated sample with every file of it read back."""

    folder: Path
    report: SampleReport
    readings: dict[str, Reading]


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Sample:
    folder = tmp_path_factory.mktemp("sample")
    report = generate(CATALOGUE, contracts=CONTRACTS, days=DAYS, seed=SEED, target=folder, first_day=FIRST_DAY)
    readings = {
        file.name: read_file(CATALOGUE.layouts[file.layout], folder / file.name, name=file.name, day=day.day)
        for day in report.reports
        for file in day.files
        if file.layout is not None
    }
    return Sample(folder, report, readings)


@pytest.fixture(scope="module")
def folded(sample: Sample) -> list[FoldedDay]:
    """The base after each day, by the rules of the real base."""
    base: dict[str, pl.DataFrame] = {}
    out: list[FoldedDay] = []
    for day in sample.report.reports:
        out.append(
            fold_day(
                base,
                dict(merged_rows(CATALOGUE, sample, day)),
                day=day.day,
                portfolio=CATALOGUE.portfolio,
                layouts=CATALOGUE.layouts,
            )
        )
        base = out[-1].tables
    return out


def merged_rows(catalogue: Catalogue, sample: Sample, day: DayReport) -> Iterator[tuple[str, pl.DataFrame]]:
    """The day's rows by layout, as receiving hands them to the rules."""
    frames: dict[str, list[pl.DataFrame]] = {}
    for order, file in enumerate(day.files):
        if file.layout is None or file.copy_of is not None:
            continue
        match = names.match_layout(catalogue.layouts[file.layout], catalogue.portfolio.ascob, file.name)
        assert match is not None
        origin = {
            "arquivo": pl.lit(file.name),
            "carimbo": pl.lit(match.stamp or datetime.combine(match.day, datetime.min.time())).cast(pl.Datetime("us")),
            "ordem": pl.lit(order, pl.Int64),
        }
        frames.setdefault(file.layout, []).append(sample.readings[file.name].frame().with_columns(**origin))
    for name, parts in frames.items():
        layout = catalogue.layouts[name]
        yield name, merge_files(parts, layout.merge, layout.key).frame


def hashes(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(folder.iterdir())}


def test_a_file_has_the_time_of_its_name_in_the_banks_zone(sample: Sample) -> None:
    """So that a drop full of them is at rest, as a bank's is, and files come in the order in which they were made."""
    zone = ZoneInfo(CATALOGUE.portfolio.operation.timezone)
    evening = [file for day in sample.report.reports for file in day.files if file.layout == "remessa_parcelas"]
    for file in evening:
        made = datetime.fromtimestamp((sample.folder / file.name).stat().st_mtime, zone)
        assert file.name.startswith(f"{made:%Y%m%d_%H%M%S}")
    copies = [(file.copy_of, file.name) for day in sample.report.reports for file in day.files if file.copy_of]
    assert copies
    for original, copy in copies:
        assert (sample.folder / str(original)).stat().st_mtime < (sample.folder / copy).stat().st_mtime


def test_a_file_that_is_still_to_come_is_of_this_moment(tmp_path: Path) -> None:
    generate(CATALOGUE, contracts=2, days=2, seed=1, target=tmp_path, first_day=date(2030, 1, 7))
    assert max(path.stat().st_mtime for path in tmp_path.iterdir()) <= time.time()


def test_the_same_seed_gives_the_same_bytes_in_another_process(tmp_path: Path) -> None:
    code = (
        "import sys; from datetime import date; from pathlib import Path\n"
        "from atom_pipeline.layout.catalogue import load_catalogue\n"
        "from atom_pipeline.sample import generate\n"
        "generate(load_catalogue(Path(sys.argv[1])), contracts=120, days=2, seed=5, target=Path(sys.argv[2]),"
        " first_day=date(2026, 8, 3))\n"
    )
    for number in ("1", "2"):
        environment = os.environ | {"PYTHONHASHSEED": number, "TZ": "UTC" if number == "1" else "Asia/Tokyo"}
        command = [sys.executable, "-c", code, str(LAYOUTS), str(tmp_path / number)]
        subprocess.run(command, env=environment, check=True, cwd=LAYOUTS.parents[1])
    first, second = hashes(tmp_path / "1"), hashes(tmp_path / "2")
    assert len(first) > 15
    assert first == second


def test_another_seed_gives_the_same_files_with_other_people(tmp_path: Path) -> None:
    for seed in (5, 6):
        generate(CATALOGUE, contracts=60, days=1, seed=seed, target=tmp_path / str(seed), first_day=date(2026, 8, 3))
    first, second = hashes(tmp_path / "5"), hashes(tmp_path / "6")
    assert first.keys() == second.keys()
    remessa = next(name for name in first if "_remessa_" in name)
    layout = CATALOGUE.layouts["remessa_assessoria"]
    documents = [
        set(read_file(layout, tmp_path / seed / remessa, name=remessa, day=date(2026, 8, 3)).frame()["cpf_cnpj"])
        for seed in ("5", "6")
    ]
    assert not documents[0] & documents[1]


def test_every_file_reads_back_with_the_planned_refusals_only(sample: Sample) -> None:
    planned = {file.name: (file.rows, file.refused) for file in sample.report.files if file.layout}
    found = {name: (reading.rows_read, reading.refused_by_reason) for name, reading in sample.readings.items()}
    assert found == planned
    refused = Counter[str]()
    for _, reasons in planned.values():
        refused.update(reasons)
    assert set(refused) == {"CPF_CNPJ", "TAMANHO"}


def test_the_report_lists_exactly_the_files_of_the_folder(sample: Sample) -> None:
    reported = {file.name: file.sha256 for file in sample.report.files}
    assert reported == hashes(sample.folder)


def test_every_name_belongs_to_its_working_day_and_one_to_no_layout(sample: Sample) -> None:
    calendar = WorkingCalendar(CATALOGUE.portfolio.operation)
    for day in sample.report.reports:
        for file in day.files:
            matches = {match.layout.layout: match for match in names.match_name(CATALOGUE, file.name)}
            if file.layout is None:
                assert not matches
            else:
                assert names.working_day(matches[file.layout], CATALOGUE.portfolio, calendar) == day.day
    assert Counter(file.layout is None for file in sample.report.files)[True] == 1


def test_a_copy_has_the_same_bytes_under_another_name(sample: Sample) -> None:
    copies = [file for file in sample.report.files if file.copy_of]
    assert {file.layout for file in copies} == {"acordos_baixados", "exclusao_retirada"}
    for file in copies:
        assert (sample.folder / file.name).read_bytes() == (sample.folder / str(file.copy_of)).read_bytes()


def test_refin_comes_on_tuesdays_and_every_input_layout_comes_at_least_once(sample: Sample) -> None:
    by_layout: dict[str, set[date]] = {}
    for day in sample.report.reports:
        for file in day.files:
            by_layout.setdefault(str(file.layout), set()).add(day.day)
    assert by_layout.keys() - {"None"} == {layout.layout for layout in CATALOGUE.inputs()}
    assert by_layout["refin"] == {day for day in sample.report.days if day.isoweekday() == 2}
    assert date(2026, 2, 16) not in sample.report.days, "Carnival"


@pytest.mark.parametrize(
    "event", ["ALTA", "REATIVACAO", "BLOQUEIO", "ACORDO_REGISTRADO", "RETIRADA", "BAIXA_BATIMENTO"]
)
def test_the_rules_find_the_movements_that_the_report_expects(
    event: str, sample: Sample, folded: list[FoldedDay]
) -> None:
    expected = [set(day.expected.get(event, ())) for day in sample.report.reports]
    found = [
        set(day.tables["movimentos"].filter(pl.col("movimento").cast(pl.String) == event)["contrato"]) for day in folded
    ]
    assert found == expected
    assert any(expected), "the sample has the event"


def test_the_rules_set_aside_the_rows_that_the_report_expects(sample: Sample, folded: list[FoldedDay]) -> None:
    stages = {layout.layout: layout.stage.value for layout in CATALOGUE.inputs()}
    kinds: set[str] = set()
    for day, after in zip(sample.report.reports, folded, strict=True):
        found: dict[str, set[str]] = {}
        for layout, reason, contrato in after.tables["ignoradas"].select("layout", "motivo", "contrato").iter_rows():
            kinds.add(reason)
            if reason not in LEAVES_THE_BASE_ALONE | OF_MESSAGES:
                key = f"{reason} {stages[layout]}" if reason == "CONTRATO_FORA_DA_BASE" else reason
                found.setdefault(key, set()).add(contrato)
        reasons = ("IGNORADO_BLOQUEIO", "CONTRATO_FORA_DA_BASE")
        expected = {event: set(who) for event, who in day.expected.items() if event.startswith(reasons)}
        assert found == expected
    assert kinds - OF_MESSAGES == LEAVES_THE_BASE_ALONE | {"IGNORADO_BLOQUEIO", "CONTRATO_FORA_DA_BASE"}
    assert "CONTRATO_NAO_ATIVO" in kinds


def test_no_guard_is_tripped(sample: Sample, folded: list[FoldedDay]) -> None:
    verdicts = [
        (day.day, verdict)
        for day, after in zip(sample.report.reports, folded, strict=True)
        for verdict in after.verdicts
    ]
    assert len(verdicts) == 4 * DAYS
    assert [(day, verdict.message) for day, verdict in verdicts if verdict.held] == []


def test_blocked_contracts_keep_coming_and_return_on_the_fourth_day_only(sample: Sample) -> None:
    blocked: dict[str, int] = {}
    waited = Counter[int]()
    for position, day in enumerate(sample.report.reports):
        for contrato in day.expected.get("IGNORADO_BLOQUEIO", ()):
            waited[position - blocked[contrato]] += 1
        for contrato in day.expected.get("ALTA de bloqueio", ()):
            assert position - blocked[contrato] >= 4
            waited[position - blocked[contrato]] += 1
        for event in ("BLOQUEIO", "ACORDO_REGISTRADO"):
            blocked |= dict.fromkeys(day.expected.get(event, ()), position)
    assert {1, 2, 3, 4} <= waited.keys()


def test_counts_and_values_of_remessa_agree_with_the_instalments_of_parcelas(sample: Sample) -> None:
    first = sample.report.reports[0]
    of = {
        CATALOGUE.layouts[file.layout].stage: sample.readings[file.name].frame() for file in first.files if file.layout
    }
    totals = (
        of[Stage.PARCELAS]
        .group_by("contrato")
        .agg(
            vencidas=(pl.col("situacao") == "V").sum().cast(pl.Int64),
            a_vencer=(pl.col("situacao") == "A").sum().cast(pl.Int64),
            valor_total=pl.col("valor_total").filter(pl.col("situacao") == "V").sum(),
            data_vencimento_mais_antigo=pl.col("data_vencimento").min(),
            dias_atraso=pl.col("dias_atraso").max(),
        )
    )
    said = of[Stage.REMESSA].select(totals.columns).unique().sort("contrato")
    assert said.height > CONTRACTS * 0.9
    told = totals.join(said.select("contrato"), on="contrato", how="semi").sort("contrato")
    assert_frame_equal(said, told.cast({"valor_total": pl.Decimal(18, 2)}))


def test_the_files_are_messy_in_small_shares(sample: Sample) -> None:
    day = sample.report.reports[0]
    remessa = next(sample.readings[file.name] for file in day.files if file.layout == "remessa_assessoria")
    rows = remessa.frame()
    assert rows["nome"].str.contains("[ÃÇÉÁÍÓÊÕ]").sum() > 60, "accents"
    assert rows["cpf_cnpj"].n_unique() < rows.height - 30, "several contracts of one CPF"
    assert rows["telefone_1_numero"].null_count() in range(1, rows.height // 20), "some have no phone"
    assert rows["score_cobranca"].null_count() > 10, "blank numerics"
    flagged = Counter(remessa.flags["motivo"])
    assert flagged["DDD"] > 0
    assert flagged["CHAVE_REPETIDA"] == 1
    batimento = next(file for file in day.files if file.layout == "batimento")
    lines = (sample.folder / batimento.name).read_bytes().splitlines()[1:]
    assert sum(len(line.partition(b";")[0]) < 10 for line in lines) > 30, "zeros eaten by a spreadsheet"


def test_lines_cut_short_are_refused_for_their_length_and_no_other_line_is_touched(
    sample: Sample, tmp_path: Path
) -> None:
    file = next(file for file in sample.report.reports[1].files if file.layout == "remessa_parcelas")
    before = sample.readings[file.name]
    path = tmp_path / file.name
    path.write_bytes((sample.folder / file.name).read_bytes())
    cut_lines(path, before.version, (7, 2, 3))
    lines = path.read_bytes().splitlines()
    whole = (sample.folder / file.name).read_bytes().splitlines()
    changed = {number - 1: line for number, line in enumerate(lines) if line != whole[number]}
    assert changed.keys() == {2, 3, 7}, "positions from 0 after the header"
    assert all(whole[number + 1].startswith(line) and len(line) < 250 for number, line in changed.items())


@pytest.mark.parametrize("contracts", [1, 20, 60])
def test_a_tiny_sample_works_and_a_small_file_is_not_refused(contracts: int, tmp_path: Path) -> None:
    report = generate(CATALOGUE, contracts=contracts, days=2, seed=1, target=tmp_path, first_day=date(2026, 8, 3))
    for day in report.reports:
        for file in day.files:
            if file.layout:
                layout = CATALOGUE.layouts[file.layout]
                reading = read_file(layout, tmp_path / file.name, name=file.name, day=day.day)
                assert (reading.rows_read, reading.refused_by_reason) == (file.rows, file.refused)


def test_a_portfolio_with_fewer_layouts_has_fewer_files(tmp_path: Path) -> None:
    few = {name: CATALOGUE.layouts[name] for name in ("remessa_assessoria", "batimento", "remessa_baixa")}
    report = generate(replace(CATALOGUE, layouts=few), contracts=40, days=2, seed=1, target=tmp_path)
    assert {file.layout for file in report.files} == {*few, None}
    acordos = [file.rows for file in report.files if file.layout == "remessa_baixa"]
    assert len(acordos) == 2 and all(acordos), "all acordos are in the only layout there is for them"


def test_the_first_day_is_by_default_the_first_working_monday_of_the_portfolio(tmp_path: Path) -> None:
    report = generate(CATALOGUE, contracts=2, days=2, seed=1, target=tmp_path)
    assert report.days[0].isoweekday() == 1
    assert 0 <= (report.days[0] - CATALOGUE.portfolio.operation.start).days < 14
    with pytest.raises(ValueError, match="before the portfolio's start"):
        generate(CATALOGUE, contracts=2, days=2, seed=1, target=tmp_path, first_day=date(2001, 1, 1))
    with pytest.raises(ValueError, match="at least one contract"):
        generate(CATALOGUE, contracts=0, days=2, seed=1, target=tmp_path)
