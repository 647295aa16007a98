"""The command line as a person uses it: real processes, one home that a demo made, its embedded PostgreSQL."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from made_demo import ROOT, MadeDemo, installed, postgresql_up, variables

Atom = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def home(demo: MadeDemo) -> Iterator[Path]:
    """The folder of a home that a demo made, for the tests of this module. PostgreSQL is up."""
    with installed(demo) as folder, postgresql_up(folder / "home"):
        yield folder


@pytest.fixture(scope="module")
def atom(home: Path) -> Atom:
    """Runs a command; its output and exit code."""

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", "from atom_pipeline.cli import main; main()", *words]
        environment = variables(home / "home")
        return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)

    return run


@pytest.fixture
def typed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Atom:
    """Runs a command that needs no home, in this process."""

    def run(*words: str) -> subprocess.CompletedProcess[str]:
        from atom_pipeline.cli import main
        from atom_pipeline.cli.console import console

        monkeypatch.setattr(console, "_width", 200)
        capsys.readouterr()
        monkeypatch.setattr(sys, "argv", ["atom", *words])
        with pytest.raises(SystemExit) as ended:
            main()
        code = ended.value.code
        return subprocess.CompletedProcess(words, code if isinstance(code, int) else 0, *capsys.readouterr())

    for name, value in variables(tmp_path / "home").items():
        monkeypatch.setenv(name, value)
    return run


@pytest.fixture(scope="module")
def days(home: Path) -> list[str]:
    """The days that the demo made."""
    return sorted(path.stem for path in (home / "home" / "lake" / "contratos").iterdir())


def test_the_demo_makes_its_days_and_says_where_everything_is(demo: MadeDemo, days: list[str]) -> None:
    for title in ("What came in", "What happened to the base", "What went out to Manager", "Where it is"):
        assert title in demo.said
    assert "make up" in demo.said
    assert len(days) == 2


def test_a_day_s_panel_says_what_was_expected_arrived_and_sent(days: list[str], atom: Atom) -> None:
    panel = atom("day", days[-1])
    assert panel.returncode == 0, panel.stderr
    for word in ("Expected", "remessa", "carregado", "Arrived", "CARREGADO", "Waves", "carga", "BLOQUEIO"):
        assert word in panel.stdout


def test_run_again_changes_nothing_and_sends_nothing(days: list[str], atom: Atom, home: Path) -> None:
    manager = home / "home" / "manager"
    before = {path.name: path.read_bytes() for path in manager.iterdir()}
    tables = {path: path.read_bytes() for path in (home / "home" / "lake" / "contratos").iterdir()}
    again = atom("run", days[-1])
    assert again.returncode == 0, again.stdout + again.stderr
    assert {path.name: path.read_bytes() for path in manager.iterdir()} == before
    assert {path: path.read_bytes() for path in (home / "home" / "lake" / "contratos").iterdir()} == tables


def test_show_masks_and_writes_whole_on_request(days: list[str], atom: Atom, home: Path) -> None:
    day = days[-1]
    target = home / "contratos.csv"
    assert atom("show", "contratos", day, "--csv", str(target)).returncode == 0
    documents = [line.split(",")[1] for line in target.read_text(encoding="utf-8").splitlines()[1:]]
    shown = atom("show", "contratos", day)
    assert shown.returncode == 0
    assert documents
    assert not [document for document in documents if document in shown.stdout]
    assert "contrato" in shown.stdout


def test_explain_tells_a_contract_s_life(days: list[str], atom: Atom, home: Path) -> None:
    assert days
    sent = sorted((home / "home" / "manager").glob("mailing_*"))[0].read_text(encoding="utf-8").splitlines()
    contrato = sent[1].split(";")[2]
    story = atom("explain", contrato.lstrip("0"))
    assert story.returncode == 0, story.stderr
    assert "ALTA" in story.stdout
    assert "ONDA CARGA" in story.stdout
    nobody = atom("explain", "9999999999")
    assert nobody.returncode == 1
    assert "never known" in nobody.stderr


def test_a_decision_needs_a_reason_and_is_kept(days: list[str], atom: Atom) -> None:
    day = days[-1]
    assert atom("decide", day, "send-now").returncode == 2
    assert atom("decide", day, "send-now", "--why", "   ").returncode == 1
    assert atom("decide", day, "send-now", "--why", "teste", "--author", "ana").returncode == 0
    assert "send-now (ana): teste" in atom("day", day).stdout
    held = atom("decide", day, "release-batimento", "--why", "x")
    assert held.returncode == 1
    assert "nothing to release" in held.stderr


def test_dry_run_shows_the_wave_and_sends_nothing(days: list[str], atom: Atom, home: Path) -> None:
    names = sorted(path.name for path in (home / "home" / "manager").iterdir())
    shown = atom("run", days[-1], "--dry-run")
    assert shown.returncode == 0, shown.stderr
    assert "incremental: 0 rows" in shown.stdout
    assert sorted(path.name for path in (home / "home" / "manager").iterdir()) == names


def test_records_go_to_the_bank_s_format_and_back(typed: Atom, tmp_path: Path) -> None:
    records = tmp_path / "acordos.csv"
    records.write_text(
        "contrato,numero_acordo,parcela,motivo,data_movimento,valor\n0000000101,77,1,ACORDO,2026-11-09,150.25\n",
        encoding="utf-8",
    )
    file, back = tmp_path / "AcordosBaixados_09112026_528.csv", tmp_path / "back.csv"
    written = typed("layout", "write", "acordos_baixados", str(records), str(file), "--day", "2026-11-09")
    assert written.returncode == 0, written.stderr
    assert file.read_bytes().startswith(b"Cobrador;NomeCobrador;NumAcordo;NumParcela;")
    read = typed("layout", "read", "acordos_baixados", str(file), str(back), "--day", "2026-11-09")
    assert read.returncode == 0, read.stderr
    header, row = back.read_text(encoding="utf-8").splitlines()
    values = dict(zip(header.split(","), row.split(","), strict=True))
    assert (values["contrato"], values["valor"], values["data_movimento"]) == ("0000000101", "150.25", "2026-11-09")


def test_reading_a_bad_file_says_what_to_do(typed: Atom, tmp_path: Path) -> None:
    bad = tmp_path / "20261108_190000_remessa_528_out.528"
    bad.write_bytes(b"not a remessa\r\n")
    refused = typed("layout", "read", "remessa_assessoria", str(bad), str(tmp_path / "out.csv"), "--day", "2026-11-09")
    assert refused.returncode == 1
    assert bad.name in refused.stderr
    assert "Traceback" not in refused.stderr


def test_the_layouts_are_listed_shown_and_checked(typed: Atom) -> None:
    listed = typed("layout", "list")
    assert listed.returncode == 0
    assert "remessa_assessoria" in listed.stdout
    assert "Record `bem`" in typed("layout", "show", "remessa_garantias").stdout
    assert typed("layout", "check").returncode == 0
    assert "there are:" in typed("layout", "show", "remesa").stderr


@pytest.mark.parametrize("variable", ["ATOM_DROP_URL", "ATOM_MANAGER_URL"])
def test_a_demo_sends_nothing_to_the_servers_of_others(tmp_path: Path, variable: str) -> None:
    environment = {**os.environ, "ATOM_HOME": str(tmp_path / "casa"), variable: "sftp://evo:s3nha@drop.exemplo/saida"}
    command = [sys.executable, "-c", "from atom_pipeline.cli import main; main()", "demo"]
    refused = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, env=environment)
    assert refused.returncode == 1
    assert "unset ATOM_DROP_URL and ATOM_MANAGER_URL" in refused.stderr
    assert not (tmp_path / "casa").exists()
    assert "s3nha" not in refused.stderr + refused.stdout


def test_a_home_that_is_no_demo_s_is_not_emptied(tmp_path: Path) -> None:
    (tmp_path / "precious.txt").write_text("x")
    environment = {**os.environ, "ATOM_HOME": str(tmp_path)}
    command = [sys.executable, "-c", "from atom_pipeline.cli import main; main()", "demo"]
    refused = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120)
    assert refused.returncode == 1
    assert "not a demo's" in refused.stderr
    assert (tmp_path / "precious.txt").read_text() == "x"


@pytest.mark.parametrize(
    "words",
    [
        (), ("up",), ("demo",), ("run",), ("day",), ("decide",), ("sample",), ("show",), ("explain",), ("diff",),
        ("layout",), ("layout", "list"), ("layout", "show"), ("layout", "check"), ("layout", "doc"),
        ("layout", "import"), ("layout", "write"), ("layout", "read"), ("base",), ("base", "import"),
        ("base", "template"),
    ],
)  # fmt: skip
def test_help_stands_on_each_command(words: tuple[str, ...]) -> None:
    from typer.testing import CliRunner

    from atom_pipeline.cli import app

    result = CliRunner().invoke(app, [*words, "--help"])
    assert result.exit_code == 0
    assert "Usage" in result.output
