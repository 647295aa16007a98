"""What every part of the ledger stands on: an engine, a portfolio, transactions and locks.

Locks are PostgreSQL's advisory locks, so they end with the process that holds them, however it ends.
"""

from __future__ import annotations

import hashlib
import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Function, func, select
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DBAPIError

from atom_pipeline.errors import AtomError

logger = logging.getLogger(__name__)


class LedgerError(AtomError):
    """The ledger refuses what it is asked to record; the message says what to do instead."""


def utc_now() -> datetime:
    return datetime.now(UTC)


def lock_key(*parts: str) -> int:
    """A signed 64-bit key for an advisory lock."""
    digest = hashlib.blake2b("\0".join(("atom", *parts)).encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big", signed=True)


class Section:
    """One portfolio's part of the ledger, over an engine that many portfolios may share."""

    def __init__(self, engine: Engine, portfolio: str, *, clock: Callable[[], datetime] = utc_now) -> None:
        self.engine = engine
        self.portfolio = portfolio
        self._clock = clock

    def now(self) -> datetime:
        """The ledger's clock, in UTC."""
        return self._clock()

    @contextmanager
    def exclusive(self, activity: str) -> Iterator[bool]:
        """Whether this process alone does ``activity`` for the portfolio while the block lasts; never waits."""
        key = lock_key(activity, self.portfolio)
        with self.engine.connect() as connection:
            connection = connection.execution_options(isolation_level="AUTOCOMMIT")
            taken = bool(connection.execute(select(func.pg_try_advisory_lock(key))).scalar_one())
            try:
                yield taken
            finally:
                if taken:
                    _give_back(connection, func.pg_advisory_unlock(key), activity)

    @contextmanager
    def shared(self, activity: str, *, patience: float) -> Iterator[bool]:
        """Whether nobody does ``activity`` alone (``exclusive``) while the block lasts; waits so many seconds for it.

        Many processes may hold it so at once, and keep out whoever would do it alone.
        """
        key = lock_key(activity, self.portfolio)
        until = time.monotonic() + patience
        with self.engine.connect() as connection:
            connection = connection.execution_options(isolation_level="AUTOCOMMIT")
            ask = select(func.pg_try_advisory_lock_shared(key))
            while not (taken := bool(connection.execute(ask).scalar_one())) and time.monotonic() < until:
                time.sleep(0.2)
            try:
                yield taken
            finally:
                if taken:
                    _give_back(connection, func.pg_advisory_unlock_shared(key), activity)

    @contextmanager
    def _transaction(self, subject: str) -> Iterator[Connection]:
        """A transaction that waits for others on the same subject and portfolio to end."""
        with self.engine.begin() as connection:
            connection.execute(select(func.pg_advisory_xact_lock(lock_key(subject, self.portfolio))))
            yield connection


def _give_back(connection: Connection, unlock: Function[Any], activity: str) -> None:
    """Unlock what the connection holds. One that was lost took its locks with it: said, and no error of what was done.

    The ledger's own transactions and constraints stand meanwhile, so that nothing is recorded twice.
    """
    try:
        if not connection.invalidated:
            connection.execute(select(unlock))
            return
    except DBAPIError as error:
        if not error.connection_invalidated:
            raise
    logger.warning("PostgreSQL was away while %s was done alone: for some of the time it may not have been", activity)
