"""The ledger: what is known of every file, day and wave of a portfolio, in PostgreSQL (schema ``controle``).

Putting it together and migrating belong here; the statements are in ``ledger_files``, ``ledger_corrections``,
``ledger_days``, ``ledger_waves``, ``ledger_alarms`` and ``ledger_deliveries``, the values in ``ledger_records``.
Everything is idempotent and transactional: a process may be killed anywhere, and two may do the same thing at once.
"""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import func, select, text
from sqlalchemy.engine import Engine

from resources.ledger_alarms import LedgerAlarms
from resources.ledger_corrections import LedgerCorrections
from resources.ledger_days import LedgerDays
from resources.ledger_massiva import LedgerMassiva
from resources.ledger_retention import LedgerRetention
from resources.ledger_section import lock_key
from resources.ledger_tables import SCHEMA
from resources.ledger_waves import LedgerWaves

MIGRATIONS = Path(__file__).with_name("migrations")


class Ledger(LedgerCorrections, LedgerDays, LedgerWaves, LedgerAlarms, LedgerMassiva, LedgerRetention):
    """One portfolio's ledger. The engine may be shared; the tables must be there (``migrate``)."""


def migrate(connections: Engine) -> None:
    """Bring the schema ``controle`` up to date. Several processes may do it at once: one does, the others wait."""
    if _is_up_to_date(connections):
        return
    from alembic import command  # a tenth of what a small command takes, which nearly always has nothing to do for it
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    with connections.begin() as connection:
        connection.execute(select(func.pg_advisory_xact_lock(lock_key("migrate"))))
        connection.execute(text(f"create schema if not exists {SCHEMA}"))
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _is_up_to_date(connections: Engine) -> bool:
    """Whether the last migration there is was applied. Their files are named by their revision: r0001_first.py."""
    newest = max(path.name for path in (MIGRATIONS / "versions").glob("r*.py")).partition("_")[0].removeprefix("r")
    with connections.connect() as connection:
        if connection.execute(select(func.to_regclass(f"{SCHEMA}.alembic_version"))).scalar_one() is None:
            return False
        applied = connection.execute(text(f"select version_num from {SCHEMA}.alembic_version")).scalars().all()
        return list(applied) == [newest]
