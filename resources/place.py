"""The only place for a daemon on a database: taken by one process, on whatever machine, and given up when it ends.

An advisory lock of PostgreSQL, so it ends with the connection that holds it. A connection may be lost while the process
lives on (the server was restarted): then the place is taken again, or found to be another's.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import text
from sqlalchemy.engine import Connection, Engine
from sqlalchemy.exc import DBAPIError

from atom_pipeline.errors import AtomError

ONE_INSTANCE = 0x41544F4D  # "ATOM"
SILENCE = 300.0  # seconds without an answer of PostgreSQL, after which nobody is served by going on
TAKEN = "another `atom up` uses this database: stop it first, or set another ATOM_HOME"

logger = logging.getLogger(__name__)


class Place:
    """The place, taken. Raises AtomError when another process has it."""

    def __init__(self, engine: Engine, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._engine = engine
        self._clock = clock
        self._answered = clock()
        self._connection: Connection | None = None
        self._take()

    def look(self) -> None:
        """Make sure that the place is still ours. Raises AtomError when another process took it meanwhile.

        While the server does not answer, nobody can take it: that is said in the log, and looked at again. A server
        that stays away is an AtomError too: without it nothing runs and no alarm goes out, which must not look alive.
        """
        try:
            if self._connection is None:
                self._take()
            else:
                self._connection.execute(text("select 1"))
        except DBAPIError as error:
            logger.warning("PostgreSQL does not answer (%s); trying again", type(error.orig or error).__name__)
            self.give_up()
            if (silent := self._clock() - self._answered) >= SILENCE:
                raise AtomError(
                    f"PostgreSQL has not answered for {silent:.0f} s: no day is made and no alarm goes out without it; "
                    "see why it does not run, then start again"
                ) from error
        else:
            self._answered = self._clock()

    def give_up(self) -> None:
        if self._connection is not None:
            connection, self._connection = self._connection, None
            connection.invalidate()  # its session ends, and the lock with it, whatever state it is in
            connection.close()

    def _take(self) -> None:
        connection = self._engine.connect().execution_options(isolation_level="AUTOCOMMIT")
        try:
            taken = connection.execute(text("select pg_try_advisory_lock(:key)"), {"key": ONE_INSTANCE}).scalar_one()
        except BaseException:
            connection.close()
            raise
        if not taken:
            connection.close()
            raise AtomError(TAKEN)
        self._connection = connection


@contextmanager
def only_one(engine: Engine) -> Iterator[Place]:
    """Hold the place while the block lasts. Raises AtomError when another process has it."""
    place = Place(engine)
    try:
        yield place
    finally:
        place.give_up()
