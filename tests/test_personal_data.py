"""Personal data stays in base, archive and outputs: the demo's days, and what goes wrong in them, tell nobody any.

Two days of sample files run through the demo's own code, with files that are refused and a step that breaks on a
client's data. Then every place an engineer or a machine reads is searched for every personal value of the files.
"""

from __future__ import annotations

import io
import json
import logging
import re
import zlib
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from uuid import uuid4
from zoneinfo import ZoneInfo

import dagster as dg
import polars as pl
import pytest
from databases import Ledgers
from personal_values import PersonalValues, ddd_of, fields_of_file, leaks, words_of
from sqlalchemy import create_engine, text
from sqlalchemy.engine import Engine
from sqlalchemy.pool import NullPool

from assets import base as base_assets
from assets.build import build_defs, job_name
from assets.common import asset_key
from assets.steps import StepPlan
from atom_pipeline.cli import days as day_commands
from atom_pipeline.cli import demo, diff, explain, tables
from atom_pipeline.cli.console import console as terminal
from atom_pipeline.cli.running import dagster_instance
from atom_pipeline.layout.model import Layout, Personal, Stage
from atom_pipeline.masking import mask_document, mask_name
from atom_pipeline.sample import SampleReport, generate
from resources.instance import environment
from resources.report import report_path
from resources.runtime import PortfolioRuntime, open_portfolios
from resources.settings import PROJECT_ROOT, Settings, file_url

FIRST, LAST = date(2026, 11, 16), date(2026, 11, 17)
LATER = datetime(2030, 1, 1, tzinfo=ZoneInfo("America/Sao_Paulo"))
EVENING = "20261116"  # of the last day's files
BROKEN_STEPS = (
    *("etapa_parcelas", "parcelas_abertas", "etapa_garantias", "garantias", "etapa_refin", "refin_vigente"),
)
BROKEN = "a row without its contract"


@dataclass
class Days:
    """The days that were run, and all they said."""

    runtime: PortfolioRuntime
    instance: dg.DagsterInstance
    engine: Engine
    sample: SampleReport
    planted: dict[str, str] = field(default_factory=dict)  # a file's name: the code it must be refused with
    values: PersonalValues = field(default_factory=PersonalValues)
    console: str = ""
    console_of_ui: str = ""  # what a run started from the UI writes
    logs: str = ""

    @property
    def drop(self) -> Path:
        return self.runtime.settings.home / "drop"

    @property
    def reports(self) -> Path:
        return report_path(self.runtime, LAST).parent

    def database(self) -> dict[str, list[object]]:
        """Every cell of Dagster's tables and of the ledger's, by table and column."""
        places: dict[str, list[object]] = {}
        with self.engine.connect() as connection:
            names = connection.execute(
                text("select table_schema, table_name from information_schema.tables where table_schema = any(:own)"),
                {"own": ["public", "controle"]},
            ).all()
            for schema, name in names:
                for row in connection.execute(text(f'select * from "{schema}"."{name}"')).mappings():
                    for column, value in row.items():
                        places.setdefault(f"{schema}.{name}.{column}", []).append(value)
        return places

    def events(self) -> dict[str, list[object]]:
        """What Dagster's own interface gives of each run: what the UI shows."""
        places: dict[str, list[object]] = {}
        for run in self.instance.get_runs():
            places.setdefault("run", []).append(dg.serialize_value(run))
            for entry in self.instance.all_logs(run.run_id):
                places.setdefault("events", []).append(entry.to_json())
                places.setdefault("messages", []).append(entry.message)
        return places

    def files(self) -> dict[str, list[object]]:
        """What lies in Dagster's folder: its configuration, and the output of steps if it keeps any."""
        folder = self.runtime.settings.home / "dagster"
        return {
            str(path.relative_to(folder)): [path.as_posix(), path.read_bytes()]
            for path in folder.rglob("*")
            if path.is_file()
        }

    def sample_of(self, table: str) -> str:
        """The masked rows that the UI shows of a table of the last day."""
        key = asset_key(self.runtime.name, table)
        event = self.instance.fetch_materializations(key, limit=1).records[0].asset_materialization
        assert event is not None
        return str(event.metadata["amostra"].value)

    def places(self) -> dict[str, list[object]]:
        said: dict[str, list[object]] = {
            "console": [self.console],
            "console of a run from the UI": [self.console_of_ui],
            "logs": [self.logs],
            "reports": [path.read_text(encoding="utf-8") for path in sorted(self.reports.glob("*.html"))],
        }
        return said | self.database() | self.events() | self.files()


def rows_of(days: Days) -> Iterator[tuple[Layout, dict[str, str]]]:
    """Every line of the sample's files with its layout, refused lines included."""
    for file in days.sample.files:
        if file.layout is not None:
            layout = days.runtime.catalogue.layouts[file.layout]
            for row in fields_of_file(days.drop / file.name, layout, LAST):
                yield layout, row


def kinds_of(layout: Layout) -> dict[str, Personal | None]:
    return {field.name: field.personal for record in layout.version_on(LAST).details for field in record.fields}


def personal_values(days: Days) -> PersonalValues:
    """Every personal value of the files, as the layouts mark them."""
    values = PersonalValues()
    for layout, row in rows_of(days):
        for name, kind in kinds_of(layout).items():
            if kind is not None:
                values.add(kind, name, row.get(name, ""), ddd_of(name, row))
    return values


def plant_refused_files(drop: Path, report: SampleReport) -> dict[str, str]:
    """Files of the last day that are refused whole, each with rows full of personal data: name and code."""

    def lines(layout: str) -> list[bytes]:
        name = next(file.name for file in report.reports[-1].files if file.layout == layout)
        return (drop / name).read_bytes().splitlines(keepends=True)

    remessa = lines("remessa_assessoria")
    shorter = [line[:-3] + b"\r\n" if line.startswith(b"1") else line for line in remessa]
    wrong_contracts = [re.sub(rb"^1.{10}", b"112A4567890", line) if n % 3 else line for n, line in enumerate(remessa)]
    planted = {
        f"{EVENING}_200100_remessa_528_out.528": (b"".join(shorter), "FORA_DO_LAYOUT"),
        f"{EVENING}_200200_remessa_528_out.528": (b"".join(wrong_contracts), "MUITAS_RECUSAS"),
        f"{EVENING}_200300_remessa_528_out.528": (b"".join(remessa[:-1]), "TRAILER_DIVERGE"),
        f"{EVENING}_200400_garantias_528_out.528": (b"".join(lines("remessa_garantias")[1:]), "CABECALHO_DIVERGE"),
        f"{EVENING}_200500_remessa_528_out.528": (
            b"".join(remessa).decode("latin-1").encode("utf-8"),
            "CODIFICACAO",
        ),
        # the first line of a file without titles is a person
        "telefones_carteira_veic_171126070000.csv": (b"".join(lines("telefones")[1:]), "FORA_DO_LAYOUT"),
        "20261117_160000_massiva_email.csv": (b"".join(lines("historico_email")[1:]), "FORA_DO_LAYOUT"),
        "20261117_160100_massiva_sms.csv": (b"".join(lines("historico_sms")[1:]), "FORA_DO_LAYOUT"),
    }
    for name, (content, _) in planted.items():
        (drop / name).write_bytes(content)
    return {name: code for name, (_, code) in planted.items()}


def break_steps(client: dict[str, str]) -> Callable[[PortfolioRuntime, date, StepPlan], object]:
    """Steps that break on a client's data as a library or a slip of ours would: a cause, a value, a whole message."""
    cpf, phone = client["cpf_cnpj"], client["telefone_1_ddd"] + client["telefone_1_numero"]
    written = f"{cpf[:3]}.{cpf[3:6]}.{cpf[6:9]}-{cpf[9:]}"

    def apply_step(_runtime: PortfolioRuntime, _day: date, plan: StepPlan) -> object:
        match plan.stage:
            case Stage.PARCELAS:
                try:
                    return {}[cpf]
                except KeyError as error:
                    raise ValueError(BROKEN) from error
            case Stage.GARANTIAS:
                return pl.Series("nome", [client["nome"]]).cast(pl.Int64)
            case _:
                raise ValueError(f"cannot use {cpf} ({written}), {phone}, {client['email_1_endereco']}")

    return apply_step


def known_client(days: Days) -> dict[str, str]:
    """A person with a phone and an e-mail."""
    columns = ("cpf_cnpj", "nome", "telefone_1_ddd", "telefone_1_numero", "email_1_endereco")
    known = days.runtime.lake.read("cadastro", LAST).select(columns).drop_nulls()
    return known.filter(pl.col("cpf_cnpj").str.len_chars() == 11).row(0, named=True)


@pytest.fixture(scope="module")
def days(ledgers: Ledgers, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Days]:
    home = tmp_path_factory.mktemp("home")
    url = ledgers.lend()
    settings = Settings(
        home=home,
        drop_url=file_url(home / "drop"),
        manager_url=file_url(home / "manager"),
        layouts=PROJECT_ROOT / "layouts",
        postgres_url=url,
    )
    engine = create_engine(url, poolclass=NullPool)
    with pytest.MonkeyPatch.context() as patch:
        for name, value in environment(settings, url).items():  # so that they are gone after the test
            patch.setenv(name, value)
        with open_portfolios(settings, clock=lambda: LATER) as portfolios, dagster_instance(settings, url) as instance:
            (runtime,) = portfolios.values()
            yield run_days(runtime, instance, engine, patch)
    engine.dispose()
    ledgers.give_back(url)


def run_days(
    runtime: PortfolioRuntime, instance: dg.DagsterInstance, engine: Engine, patch: pytest.MonkeyPatch
) -> Days:
    """The demo's two days, looked at by command; some steps of the last once more, as the UI runs them, that break."""
    drop = runtime.settings.home / "drop"
    sample = generate(runtime.catalogue, contracts=60, days=2, seed=3, target=drop, first_day=FIRST)
    assert sample.days == (FIRST, LAST)
    days = Days(runtime, instance, engine, sample, plant_refused_files(drop, sample))
    days.values = personal_values(days)
    logs, console, console_of_ui = io.StringIO(), io.StringIO(), io.StringIO()
    root, handler = logging.getLogger(), logging.StreamHandler(logs)
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.INFO)
    try:
        patch.setattr(terminal, "_width", 1000)  # a folded cell would hide a value from the search
        with redirect_stdout(console), redirect_stderr(console):
            day_commands.collect_and_run(runtime, LAST)
            demo.summary(runtime, list(sample.days))
            day_commands.day(LAST)
            tables.show("cadastro", LAST)
            for contrato in runtime.lake.read("contratos", LAST)["contrato"][:3]:
                explain.explain(contrato, records=9)
            diff.diff(FIRST, LAST)
        patch.setattr(base_assets, "apply_step", break_steps(known_client(days)))
        job = build_defs(runtime.settings, clock=runtime.clock).resolve_job_def(job_name(runtime.name))
        again = [asset_key(runtime.name, name) for name in BROKEN_STEPS]
        again.append(asset_key(runtime.name, "recebido", "remessa_assessoria"))
        with redirect_stdout(console_of_ui), redirect_stderr(console_of_ui):
            job.execute_in_process(
                partition_key=f"{LAST}", instance=instance, raise_on_error=False, asset_selection=again
            )
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
    days.console, days.console_of_ui, days.logs = console.getvalue(), console_of_ui.getvalue(), logs.getvalue()
    return days


def told(found: dict[str, set[tuple[str, str]]]) -> dict[str, dict[str, int]]:
    """Where, and how many of each kind: a test's own output shows no value either."""
    return {place: dict(Counter(kind for kind, _ in some)) for place, some in sorted(found.items())}


def test_no_personal_value_reaches_a_console_a_log_dagster_or_the_ledger(days: Days) -> None:
    assert told(leaks(days.values, days.places())) == {}


def test_what_was_searched_is_what_the_days_said(days: Days) -> None:
    """The search is worth nothing where nothing was said: every planted fault is told, without its values."""
    kinds = Counter(days.values.numbers.values()) + Counter(days.values.phrases.values())
    assert min(kinds["document"], kinds["phone"], kinds["name"], kinds["address"], len(days.values.emails)) > 50
    refused = {one.file.name: one.load.code for one in days.runtime.ledger.loads(LAST) if one.load.code}
    assert refused == days.planted
    rows = [one.load.rows_refused for day in days.sample.days for one in days.runtime.ledger.loads(day)]
    assert sum(rows) > 0
    places = days.places()
    for name in days.planted:
        assert name in days.console and name in days.logs
        assert any(name in str(value) for value in places["controle.loads.message"])
        assert any(name in text for text in places["events"])
    assert len(places["reports"]) == len(days.sample.days)
    assert all(name in str(places["reports"][-1]) for name in days.planted)
    assert f"{EVENING}_200100_remessa_528_out.528" in days.console_of_ui
    for words in (BROKEN, "InvalidOperationError", "cannot use *********"):
        assert words in days.console_of_ui
        assert any(words in text for text in places["events"])
    columns = {place.rpartition(".")[0] for place in places}
    assert {"public.event_logs", "public.runs", "public.snapshots", "controle.files", "controle.waves"} <= columns


def test_samples_are_shown_masked(days: Days) -> None:
    for table in ("cadastro", "fichas"):
        first = days.runtime.lake.read(table, LAST).row(0, named=True)
        for masked in (mask_document(first["cpf_cnpj"]), mask_name(first["nome"])):
            assert f"| {masked} |" in days.sample_of(table)
    assert mask_document(first["cpf_cnpj"])[:-2] in days.console  # of `atom show`


def test_a_value_outside_the_marked_fields_is_not_personal(days: Days) -> None:
    """What a layout does not mark is shown as it is; so a mark that is missing is found here."""
    unmarked: dict[str, Counter[str]] = {}
    for layout, row in rows_of(days):
        for name, kind in kinds_of(layout).items():
            if kind is None and name != "contrato":
                for found, _ in days.values.found_in(row.get(name, "")):
                    unmarked.setdefault(f"{layout.layout}.{name}", Counter())[found] += 1
    assert unmarked == {}


def test_a_value_that_does_leak_is_found_wherever_and_however_it_is_written(days: Days) -> None:
    client = known_client(days)
    cpf, name, email = client["cpf_cnpj"], client["nome"], client["email_1_endereco"]
    number = client["telefone_1_numero"]
    phone = client["telefone_1_ddd"] + number
    forms = {
        ("document", cpf): [cpf, f"{cpf[:3]}.{cpf[3:6]}.{cpf[6:9]}-{cpf[9:]}", f"cpf_{cpf}.csv", f"K{cpf}"],
        ("phone", phone): [phone, f"({phone[:2]}) {number[:-4]}-{number[-4:]}", f"{phone[:2]} {number}"],
        ("phone", number): [number, f"{number[:-4]}-{number[-4:]}"],
        ("email", email.casefold()): [email, f"<{email.upper()}>"],
        ("name", " ".join(words_of(name))): [name, name.lower(), f"|{name.replace(' ', ' | ')}|", name.title()],
    }
    for value, written in forms.items():
        for form in written:
            nested = json.dumps({"text": json.dumps([f"a {form} b"])})
            for stored in (form, nested, zlib.compress(nested.encode()), [{"x": form}]):
                assert value in leaks(days.values, {"here": [stored]})["here"], value[0]
    # whole numbers only: not a longer one, not the decimals of a number, not an identifier that a machine made
    for other in (f"{cpf}7", f"0.{phone}", f"{uuid4().hex[:19]}a{cpf}a", phone[:8], name.split()[0]):
        assert not leaks(days.values, {"here": [other]})


def test_a_leak_into_dagster_is_found_in_its_tables(days: Days) -> None:
    """Last: from here on the database holds a client's name."""
    client = known_client(days)
    days.instance.report_runless_asset_event(
        dg.AssetMaterialization("vazamento", metadata={"amostra": dg.MetadataValue.md(f"| {client['nome']} |")})
    )
    found = leaks(days.values, days.database())
    assert told(found) == {
        place: {"name": 1} for place in ("public.asset_keys.last_materialization", "public.event_logs.event")
    }
