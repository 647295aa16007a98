"""What the tests of faults share: databases and a nursery that outlive a test, so that days are made once."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from aurora import FRI, SAT, NewDatabase, Place, aurora, opened, put_friday, put_saturday, world
from databases import Ledgers, drop_database
from killing import Nursery, nursery
from sqlalchemy import make_url

from resources.postgres import create_database


@pytest.fixture(scope="session")
def new_database(postgres_server: str, ledgers: Ledgers) -> Iterator[NewDatabase]:
    """Makes databases with the ledger's tables, empty or a copy of another one's, that outlive a test."""
    made: list[str] = []
    assert ledgers.tables, "it has made the database that others are copied from"

    def make(template: str = "") -> str:
        source = str(make_url(template).database) if template else "migrated"
        made.append(create_database(postgres_server, f"fault_{uuid4().hex}", template=source))
        return made[-1]

    yield make
    for url in made:
        drop_database(postgres_server, url)


@pytest.fixture(scope="session")
def children() -> Iterator[Nursery]:
    """Processes that start in a moment, to be killed."""
    with nursery() as one:
        yield one


@pytest.fixture(scope="session")
def friday(tmp_path_factory: pytest.TempPathFactory, new_database: NewDatabase) -> Place:
    """The small portfolio with its first day made, to be copied; the second day's files lie beside its home."""
    place = Place(tmp_path_factory.mktemp("friday") / "home", new_database())
    with aurora(*place) as house:
        put_friday(house)
        house.make(FRI)
        shutil.copytree(house.drop, place.home / "before")
        put_saturday(house)
        house.drop.rename(place.home.parent / "drop")
        (place.home / "before").rename(house.drop)
    return place


def _copy(friday: Place, home: Path, new_database: NewDatabase) -> Place:
    shutil.copytree(friday.home, home)
    shutil.copytree(friday.home.parent / "drop", home / "drop", dirs_exist_ok=True)
    return Place(home, new_database(friday.postgres_url))


@pytest.fixture(scope="session")
def undisturbed(friday: Place, tmp_path_factory: pytest.TempPathFactory, new_database: NewDatabase) -> Place:
    """The small portfolio with its two days made as they should be: what every fault is compared with."""
    place = _copy(friday, tmp_path_factory.mktemp("undisturbed") / "home", new_database)
    with aurora(*place) as house:
        house.make(SAT)
    return place


@pytest.fixture(scope="session")
def expected(undisturbed: Place) -> dict[str, Any]:
    """All that the two undisturbed days left."""
    with opened(undisturbed) as runtime:
        return world(runtime)


@pytest.fixture
def on_saturday(friday: Place, tmp_path: Path, new_database: NewDatabase) -> Place:
    """The first day made, and the second one's files in the drop."""
    return _copy(friday, tmp_path / "home", new_database)


@pytest.fixture
def made_on_saturday(undisturbed: Place, tmp_path: Path, new_database: NewDatabase) -> Place:
    """Both days made."""
    place = Place(tmp_path / "home", new_database(undisturbed.postgres_url))
    shutil.copytree(undisturbed.home, place.home)
    return place
