"""``atom alarms`` over a real ledger and a real receiver."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from receivers import SECRET, http_receiver
from typer.testing import CliRunner, Result

from atom_pipeline.alarm_causes import Alarm, Kind
from atom_pipeline.alarms import Changes
from atom_pipeline.cli import app
from atom_pipeline.errors import AtomError
from resources.ledger import Ledger

DAY = date(2026, 11, 23)
NOT_TOLD = Changes(to_open=(Alarm("k", Kind.FILE_LATE, DAY, "Atrasado: acordos [15]", "Cobre o banco."),))


@pytest.fixture
def portfolio(ledger: Ledger, ledger_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Ledger:
    """The ledger of the portfolio that the command line works on."""
    for name in ("ATOM_ALARM_WEBHOOK", "ATOM_SMTP_URL", "ATOM_LAYOUTS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("ATOM_HOME", str(tmp_path))
    monkeypatch.setenv("ATOM_POSTGRES_URL", ledger_url)
    return Ledger(ledger.engine, "banco_pan_veiculos")


def run(*words: str) -> Result:
    return CliRunner().invoke(app, ["alarms", *words])


def test_it_lists_what_is_open_and_says_that_nobody_is_told(portfolio: Ledger) -> None:
    quiet = run()
    assert quiet.exit_code == 0 and "no alarm is open" in quiet.stdout and "told to nobody" in quiet.stdout
    portfolio.record_alarms(NOT_TOLD, ["webhook"])
    found = run()
    assert found.exit_code == 1
    for word in ("Atrasado: acordos [15]", "Cobre o banco.", "2026-11-23", "not told yet by webhook: 1"):
        assert word in found.stdout


def test_a_test_message_goes_to_every_channel(portfolio: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    portfolio.record_alarms(NOT_TOLD, [])
    with http_receiver() as receiver:
        monkeypatch.setenv("ATOM_ALARM_WEBHOOK", receiver.url)
        sent = run("--test")
        receiver.answers = [403]
        refused = run("--test")
    assert sent.exit_code == 0 and "webhook 127.0.0.1: sent" in sent.stdout
    assert receiver.got[0][1]["test"] is True
    assert refused.exit_code == 1 and "403" in refused.stdout
    assert SECRET not in sent.stdout + refused.stdout


@pytest.mark.usefixtures("portfolio")
def test_without_a_channel_a_test_says_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    found = run("--test")
    assert isinstance(found.exception, AtomError) and "ATOM_ALARM_WEBHOOK" in str(found.exception)
    monkeypatch.setenv("ATOM_SMTP_URL", "smtp://mail.example")
    wrong = run()
    assert wrong.exit_code == 1 and "ATOM_ALARM_TO" in wrong.stdout
