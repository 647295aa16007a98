from __future__ import annotations

import stat
from pathlib import Path

import pytest

from atom_pipeline.errors import AtomError
from resources.instance import environment
from resources.settings import PROJECT_ROOT, Settings, without_secrets

SECRETS = {
    "ATOM_DROP_URL": "sftp://evo:s3gredo@drop.exemplo:22/saida",
    "ATOM_MANAGER_URL": "ftps://manager:0utro@manager.exemplo/entrada",
    "ATOM_POSTGRES_URL": "postgresql://atom:t3rceiro@banco/atom?password=qu4rto",
}


def test_without_an_environment_everything_is_under_the_project(tmp_path: Path) -> None:
    settings = Settings.from_env({}, project_root=tmp_path)
    assert settings.home == tmp_path / ".atom"
    assert settings.layouts == tmp_path / "layouts"
    assert settings.drop_url == f"file://{tmp_path}/.atom/drop"
    assert settings.manager_url == f"file://{tmp_path}/.atom/manager"
    assert settings.postgres_url is None
    assert Settings.from_env({}).layouts == PROJECT_ROOT / "layouts"


def test_the_environment_decides(tmp_path: Path) -> None:
    settings = Settings.from_env({"ATOM_HOME": str(tmp_path), "ATOM_LAYOUTS": "/srv/layouts", **SECRETS})
    assert (settings.home, settings.layouts) == (tmp_path, Path("/srv/layouts"))
    assert settings.drop_url == SECRETS["ATOM_DROP_URL"]
    assert settings.manager_url == SECRETS["ATOM_MANAGER_URL"]
    assert settings.postgres_url == SECRETS["ATOM_POSTGRES_URL"]


def test_an_empty_variable_is_as_one_that_is_not_set(tmp_path: Path) -> None:
    empty = dict.fromkeys(["ATOM_HOME", "ATOM_DROP_URL", "ATOM_MANAGER_URL", "ATOM_POSTGRES_URL", "ATOM_LAYOUTS"], "")
    assert Settings.from_env(empty, project_root=tmp_path) == Settings.from_env({}, project_root=tmp_path)


@pytest.mark.parametrize("show", [repr, str, "{}".format, "{!r}".format])
def test_no_secret_is_ever_shown(show: object, tmp_path: Path) -> None:
    assert callable(show)
    shown = show(Settings.from_env({"ATOM_HOME": str(tmp_path), **SECRETS}))
    for secret in ("s3gredo", "0utro", "t3rceiro", "qu4rto"):
        assert secret not in shown
    assert "evo:***@drop.exemplo:22/saida" in shown


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("file:///srv/drop", "file:///srv/drop"),
        ("sftp://evo@drop/x", "sftp://evo@drop/x"),
        ("sftp://evo:a@b@drop/x", "sftp://evo:***@drop/x"),
        ("s3://balde/x?key=a#b", "s3://balde/x?***#***"),
        ("/srv/drop", "/srv/drop"),
    ],
)
def test_a_url_is_shown_without_its_password(url: str, shown: str) -> None:
    assert without_secrets(url) == shown


def test_preparing_makes_the_local_defaults_and_nothing_else(tmp_path: Path) -> None:
    settings = Settings.from_env({"ATOM_HOME": str(tmp_path / "casa"), "ATOM_MANAGER_URL": f"file://{tmp_path}/outra"})
    settings.prepare()
    settings.prepare()
    assert (tmp_path / "casa/drop").is_dir()
    assert not (tmp_path / "outra").exists()
    assert not (tmp_path / "casa/manager").exists()


def test_each_prefix_has_an_archive_of_its_own(tmp_path: Path) -> None:
    settings = Settings.from_env({"ATOM_HOME": str(tmp_path)})
    assert settings.archive() == tmp_path / "arquivo"
    assert settings.archive("outra") == tmp_path / "arquivo/outra"


def test_the_lake_is_for_its_owner_only(tmp_path: Path) -> None:
    from datetime import date

    import polars as pl

    from resources.lake import Lake

    Lake(tmp_path).write("contratos", date(2026, 11, 20), pl.DataFrame({"contrato": ["1"]}))
    assert stat.S_IMODE((tmp_path / "lake").stat().st_mode) == 0o700


def test_the_pause_between_polls_is_a_number_of_seconds_and_is_passed_on_to_child_processes(tmp_path: Path) -> None:
    assert Settings.from_env({"ATOM_HOME": str(tmp_path)}).poll_seconds == 60
    settings = Settings.from_env({"ATOM_HOME": str(tmp_path), "ATOM_POLL_SECONDS": "5"})
    assert Settings.from_env(environment(settings, "postgresql://nowhere/none")).poll_seconds == 5
    for wrong in ("0", "x", "-1", "1.5", "4000"):
        with pytest.raises(AtomError, match="ATOM_POLL_SECONDS"):
            Settings.from_env({"ATOM_HOME": str(tmp_path), "ATOM_POLL_SECONDS": wrong})
