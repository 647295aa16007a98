"""The systemd units: understood by systemd itself, closed where they can be, and in step with the command line."""

from __future__ import annotations

import re
import shutil
import subprocess
from configparser import ConfigParser
from pathlib import Path

import pytest

from atom_pipeline.cli.services import Role

ROOT = Path(__file__).resolve().parents[2]
UNITS = sorted((ROOT / "deploy" / "systemd").iterdir())
SERVICES = [unit for unit in UNITS if unit.suffix == ".service"]
INSTALLED = "/opt/atom/.venv/bin/atom"


def parsed(unit: Path) -> ConfigParser:
    found = ConfigParser(strict=False, interpolation=None, delimiters=("=",), comment_prefixes=("#",))
    found.optionxform = str  # type: ignore[assignment,method-assign]
    found.read(unit, encoding="utf-8")
    return found


def of_this_machine(unit: Path, folder: Path) -> Path:
    """The unit with a program, a user and a folder that exist here: systemd looks for them."""
    text = unit.read_text(encoding="utf-8")
    for old, new in ((INSTALLED, "/bin/true"), ("=/opt/atom\n", "=/\n"), ("=atom\n", "=root\n")):
        text = text.replace(old, new)
    target = folder / unit.name
    target.write_text(text, encoding="utf-8")
    return target


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="there is no systemd-analyze")
def test_systemd_understands_every_unit_and_finds_it_closed(tmp_path: Path) -> None:
    units = [str(of_this_machine(unit, tmp_path)) for unit in UNITS]
    verified = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", *units], capture_output=True, text=True, timeout=60
    )
    assert (verified.returncode, verified.stderr) == (0, "")
    for unit in units:
        if not unit.endswith(".service"):
            continue
        said = subprocess.run(
            ["systemd-analyze", "security", "--offline=yes", "--threshold=25", unit], capture_output=True, text=True
        )
        if "unrecognized option" in said.stderr:
            continue  # an older systemd
        assert said.returncode == 0, f"{Path(unit).name}: more exposed than 2.5 of 10\\n{said.stdout}"


def test_what_the_services_have_in_common_is_the_same() -> None:
    """One is made from the other by hand; what closes them must not drift apart."""
    differing = {"ExecStart", "Type", "KillMode", "TimeoutStopSec", "RestartSec"}
    common = [
        {name: value for name, value in parsed(unit)["Service"].items() if name not in differing} for unit in SERVICES
    ]
    assert len(common) == 3
    assert common[0] == common[1] == common[2]
    assert common[0]["EnvironmentFile"] == "/etc/atom/atom.env"
    assert common[0]["NoNewPrivileges"] == "yes"


def test_the_services_run_commands_that_there_are() -> None:
    commands = {unit.stem: parsed(unit)["Service"]["ExecStart"].removeprefix(INSTALLED).split() for unit in SERVICES}
    assert commands["atom-daemon"] == ["up", "--only", Role.DAEMON.value]
    assert commands["atom-ui"][:4] == ["up", "--only", Role.UI.value, "--host"]
    assert commands["atom-ui"][4:] == ["127.0.0.1", "--port", "3000"]  # as nginx expects it, and nobody else reaches it
    assert commands["atom-prune"] == ["prune"]


def test_the_daemon_has_time_to_finish_a_run_and_only_it_is_told_to_stop() -> None:
    service = parsed(ROOT / "deploy/systemd/atom-daemon.service")["Service"]
    assert service["KillMode"] == "mixed"
    assert service["Restart"] == "on-failure"
    minutes = re.fullmatch("([0-9]+)min", service["TimeoutStopSec"])
    assert minutes is not None
    assert int(minutes[1]) >= 10
