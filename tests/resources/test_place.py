"""The only place for a daemon: lost with the server, taken again, and given up when the server stays away."""

from __future__ import annotations

import time
from unittest.mock import Mock

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import OperationalError

from atom_pipeline.errors import AtomError
from resources.place import SILENCE, Place, only_one
from resources.postgres import engine


def test_a_place_is_one_process_own_and_is_taken_again_after_its_connection_was_cut(database_url: str) -> None:
    connections, others = engine(database_url), engine(database_url)
    with only_one(connections) as place:
        with pytest.raises(AtomError, match="another `atom up`"):
            Place(others)
        cut(others)
        place.look()  # finds the connection cut
        place.look()
        with pytest.raises(AtomError, match="another `atom up`"):
            Place(others)
    wait_until_free(others)
    connections.dispose()
    others.dispose()


def test_a_place_that_another_took_after_the_connection_was_cut_is_lost(database_url: str) -> None:
    connections, others = engine(database_url), engine(database_url)
    with only_one(connections) as place:
        cut(others)
        wait_until_free(others)
        with only_one(others):
            place.look()
            with pytest.raises(AtomError, match="another `atom up`"):
                place.look()
    connections.dispose()
    others.dispose()


def cut(connections: Engine) -> None:
    """Have the server end everybody else's session."""
    with connections.begin() as connection:
        ended = "select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid() and datname = :n"
        connection.execute(text(ended), {"n": connections.url.database})


def wait_until_free(connections: Engine) -> None:
    """The server ends the session that held the place a moment after its connection."""
    until = time.monotonic() + 60
    while not given_up(connections):
        assert time.monotonic() < until


def given_up(connections: Engine) -> bool:
    try:
        Place(connections).give_up()
    except AtomError:
        return False
    return True


def test_a_server_that_stays_away_ends_it_and_one_that_comes_back_does_not(database_url: str) -> None:
    connections, now = engine(database_url), [0.0]
    place = Place(connections, clock=lambda: now[0])
    answering, silent = place._engine, Mock()
    silent.connect.side_effect = OperationalError("select", {}, Exception("away"))
    place.give_up()
    place._engine = silent
    now[0] += SILENCE - 1
    place.look()
    wait_until_free(connections)
    place._engine = answering
    place.look()
    place.give_up()
    place._engine = silent
    now[0] += SILENCE - 1
    place.look()
    now[0] += 1
    with pytest.raises(AtomError, match="PostgreSQL has not answered for 300 s"):
        place.look()
    connections.dispose()
