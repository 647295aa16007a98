"""Dagster's own home: its folder, its ``dagster.yaml``, and its storage in the ledger's PostgreSQL.

The address of the database goes to child processes through the environment, so that they join the server instead of
starting one, and no file holds it.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from resources.settings import DROP, MANAGER, Settings

TEMPLATE = Path(__file__).with_name("dagster.yaml")


def environment(settings: Settings, postgres_url: str) -> dict[str, str]:
    """What a process needs to find the same Dagster instance, ledger, lake and drop.

    Secrets are among it: it is shown nowhere.
    """
    return {
        "DAGSTER_HOME": str(dagster_home(settings)),
        "ATOM_DAGSTER_POSTGRES_URL": postgres_url,
        "ATOM_POSTGRES_URL": postgres_url,
        "ATOM_HOME": str(settings.home),
        "ATOM_DROP_URL": settings.drop_url,
        "ATOM_MANAGER_URL": settings.manager_url,
        "ATOM_LAYOUTS": str(settings.layouts),
        "ATOM_POLL_SECONDS": str(settings.poll_seconds),
        **settings.drop_access.environment(DROP),
        **settings.manager_access.environment(MANAGER),
        **settings.alarms.environment(),
        **settings.omne.environment(),
    }


def dagster_home(settings: Settings) -> Path:
    """Dagster's folder, with the configuration of ``resources/dagster.yaml``."""
    home = settings.home / "dagster"
    home.mkdir(parents=True, exist_ok=True)
    target = home / "dagster.yaml"
    if not target.is_file() or target.read_bytes() != TEMPLATE.read_bytes():
        temporary = target.with_suffix(f".{os.getpid()}")
        shutil.copyfile(TEMPLATE, temporary)
        temporary.replace(target)
    return home
