"""The example of the services' environment: every variable there is, none that there is not, and no secret."""

from __future__ import annotations

import re
from pathlib import Path

from resources.instance import environment
from resources.settings import Settings

ROOT = Path(__file__).resolve().parents[2]
EXAMPLE = (ROOT / "deploy" / "atom.env.example").read_text(encoding="utf-8")
LINES = re.findall(r"^(#?)(ATOM_[A-Z_]+)=(.*)$", EXAMPLE, re.MULTILINE)
# What `atom up` tells its children, and nobody sets.
OURS = {"DAGSTER_HOME", "ATOM_DAGSTER_POSTGRES_URL"}


def test_every_variable_stands_in_the_example_and_in_the_guide(tmp_path: Path) -> None:
    access = {"ATOM_OMNE_URL": "https://a", "ATOM_OMNE_TOKEN": "x", "ATOM_OMNE_CA": "/x"}
    known = environment(Settings.from_env({"ATOM_HOME": str(tmp_path), **access}), "postgresql://x").keys() - OURS
    assert {name for _, name, _ in LINES} == known
    guide = (ROOT / "docs" / "running.md").read_text(encoding="utf-8")
    assert [name for name in sorted(known) if name not in guide and not name.startswith("ATOM_MANAGER_")] == []


def test_the_example_is_an_environment_that_settings_can_read() -> None:
    values = {name: value for off, name, value in LINES if not off}
    settings = Settings.from_env(values)
    assert settings.drop_url.startswith("sftp://")
    assert settings.drop_access.key == Path("/etc/atom/drop_key")
    assert settings.postgres_url is not None


def test_the_example_has_no_secret() -> None:
    secrets = [value for _, name, value in LINES if re.search("PASSWORD|PASSPHRASE|TOKEN", name)]
    assert secrets == [""] * 6
    assert ":PASSWORD@" in EXAMPLE
