"""Whatever the interleaving of crashes, re-runs and copies, the server never accepts one (file row, template) twice.

Histories of files, bases, sends and kills are drawn; every send meets a server that accepts, refuses, fails, hangs and
closes as drawn. A kill is simulated in this process: from its boundary on nothing of the sender reaches the ledger any
more, while requests that left go on. (FAULTS 37 kills real processes.) ``ATOM_TEST_PROFILE=heavy`` draws many more.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from massiva.massiva_house import DAY, House, massiva_house, messages, with_access
from massiva.omne_server import (
    ACCEPT,
    CLOSE_ACCEPTED,
    CLOSE_LOST,
    CUT_ACCEPTED,
    FAIL,
    GATEWAY,
    HANG_ACCEPTED,
    REFUSE,
    TOKEN,
    UNAUTHORIZED,
    Behaviour,
    OmneServer,
    omne_server,
    too_many,
)
from sqlalchemy import text

from atom_pipeline.massiva.states import Status
from resources.ledger_massiva import LedgerMassiva
from resources.ledger_tables import SCHEMA, metadata

POOL = [*messages(4), *messages(3, jornada="jornada2"), {**messages(1)[0], "contrato": "0000000009"}]
CONTRACTS = sorted({row["contrato"] for row in POOL})
MEETS = (
    *(ACCEPT, ACCEPT, ACCEPT, REFUSE, FAIL, GATEWAY, HANG_ACCEPTED, CLOSE_ACCEPTED, CLOSE_LOST, CUT_ACCEPTED),
    *(UNAUTHORIZED, too_many(0)),
)
NAMES = [f"20261124_0{hour}0000_massiva_whatsapp.csv" for hour in range(4)]
FRAGILE = {
    "concurrency": 3,
    "timeout_seconds": 0.15,
    "breaker": {"window": 50, "at_least": 50, "failures": 1.0, "pause_seconds": 0.05, "openings": 1},
}


class Killed(BaseException):
    """The process is gone."""


@dataclass(frozen=True)
class PutFile:
    name: str
    rows: tuple[int, ...]


@dataclass(frozen=True)
class CopyFile:
    source: str
    name: str


@dataclass(frozen=True)
class NewBase:
    active: frozenset[str]


@dataclass(frozen=True)
class Send:
    meets: tuple[Behaviour, ...]
    killed: tuple[str, int] | None  # boundary, and after how many passes of it


@dataclass(frozen=True)
class SettleTruly:
    pass


Step = PutFile | CopyFile | NewBase | Send | SettleTruly
BOUNDARIES = ("before the intent", "after the intent", "before the record", "after the record")
files = st.builds(
    PutFile, st.sampled_from(NAMES), st.lists(st.integers(0, len(POOL) - 1), min_size=1, max_size=6).map(tuple)
)
meets = st.lists(st.sampled_from(MEETS), max_size=8).map(tuple)
killed_sends = st.builds(Send, meets, st.tuples(st.sampled_from(BOUNDARIES), st.integers(1, 3)))
sends = st.builds(Send, meets, st.none())
others = st.one_of(
    files,
    st.builds(CopyFile, st.sampled_from(NAMES), st.sampled_from(NAMES)),
    st.builds(NewBase, st.frozensets(st.sampled_from(CONTRACTS), min_size=3)),
    st.builds(SettleTruly),
)
histories = st.tuples(files, st.lists(st.one_of(killed_sends, sends, others), min_size=3, max_size=9)).map(
    lambda drawn: [drawn[0], *drawn[1]]
)
HEAVY = os.environ.get("ATOM_TEST_PROFILE") == "heavy"


@pytest.fixture
def house(tmp_path: Path, ledger_url: str) -> Iterator[House]:
    with massiva_house(tmp_path / "home", ledger_url, "http://127.0.0.1:9", TOKEN, massivas=FRAGILE) as one:
        yield one


def start_afresh(house: House, omne: OmneServer) -> None:
    """An empty ledger, drop, archive and lake, before a server of this history's own."""
    tables = ", ".join(f"{SCHEMA}.{table.name}" for table in metadata.tables.values())
    with house.runtime.engine.begin() as connection:
        connection.execute(text(f"truncate {tables}"))
    for folder in (house.drop, house.runtime.archive, house.runtime.settings.home / "lake"):
        shutil.rmtree(folder, ignore_errors=True)
    house.drop.mkdir()
    house.runtime.settings = with_access(omne.url, TOKEN)(house.runtime.settings)


def kill(patch: pytest.MonkeyPatch, boundary: str, passes: int) -> None:
    """From the n-th pass of a boundary on nothing reaches the ledger."""
    left, dead = [passes], [False]

    def wrap(name: str, mine: bool) -> None:
        original = getattr(LedgerMassiva, name)

        def fatal(self: Any, rows: Any, *args: Any, **kwargs: Any) -> Any:
            if dead[0]:
                raise Killed
            left[0] -= mine
            dies = mine and left[0] <= 0
            if dies and boundary.startswith("before"):
                dead[0] = True
                raise Killed
            result = original(self, rows, *args, **kwargs)
            if dies:
                dead[0] = True
                raise Killed
            return result

        patch.setattr(LedgerMassiva, name, fatal)

    wrap("claim_messages", "intent" in boundary)
    wrap("record_answers", "record" in boundary)


def send(house: House, omne: OmneServer, step: Send) -> None:
    omne.script.clear()
    omne.behaves(*step.meets)
    with pytest.MonkeyPatch.context() as patch:
        if step.killed is not None:
            kill(patch, *step.killed)
        try:
            house.send(minutes=0.02)
        except Killed:
            omne.wait_until_idle()


def settle_truly(house: House, omne: OmneServer) -> None:
    """A person looks every uncertain message up at OMNE, and says what is there."""
    numbers = {row["contrato"]: row["numero"] for row in POOL}
    omne.wait_until_idle()
    house.runtime.ledger.give_up_interrupted()
    for message in list(house.runtime.ledger.messages(day=DAY, status=Status.INCERTO)):
        house.runtime.ledger.settle_message(
            message.id,
            sent=omne.accepted[numbers[message.contrato], message.template] > 0,
            why="conferido", author="ana", now=house.clock(), marked_on=DAY, today=DAY,
        )  # fmt: skip


def take(house: House, omne: OmneServer, step: Step, active: set[str]) -> None:
    match step:
        case PutFile(name, rows):
            house.put(name, [POOL[place] for place in rows])
        case CopyFile(source, name):
            if source != name and (house.drop / source).exists():
                shutil.copyfile(house.drop / source, house.drop / name)
        case NewBase(chosen):
            active.clear()
            active.update(chosen)
        case Send():
            send(house, omne, step)
        case SettleTruly():
            settle_truly(house, omne)
    if not isinstance(step, Send | SettleTruly):
        house.read()
        house.base({contrato: "ATIVO" if contrato in active else "BAIXADO" for contrato in CONTRACTS})


@settings(
    max_examples=500 if HEAVY else 10,
    phases=(Phase.explicit, Phase.generate),  # a history is short; to shrink one takes minutes
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(history=histories)
@example(  # answers that never came, then a kill, then runs
    history=[
        PutFile(NAMES[0], (0, 1, 2, 3)),
        Send((ACCEPT, HANG_ACCEPTED, CLOSE_ACCEPTED, GATEWAY), None),
        PutFile(NAMES[1], (4, 5, 6, 0)),
        Send((), ("before the record", 1)),
        Send((), None),
        CopyFile(NAMES[0], NAMES[2]),
        Send((), None),
    ]
)
def test_the_server_never_accepts_one_row_and_template_twice(house: House, history: list[Step]) -> None:
    with omne_server() as omne:
        start_afresh(house, omne)
        live_through(house, omne, history)


def live_through(house: House, omne: OmneServer, history: list[Step]) -> None:
    active = set(CONTRACTS)
    for step in history:
        take(house, omne, step, active)
        assert omne.twice == {}, history
        assert not omne.invalid
    # The record knows of everything that was accepted; once people have spoken, nothing is lost either.
    settle_truly(house, omne)
    omne.script.clear()
    if any((house.drop / name).exists() for name in NAMES):
        take(house, omne, NewBase(frozenset(CONTRACTS)), active)
        house.send(minutes=0.05)
        settle_truly(house, omne)  # on a slow machine an answer may come too late
    assert omne.twice == {}, history
    accepted = [one for one in house.runtime.ledger.messages(day=DAY) if one.status is Status.ACEITO]
    assert len(accepted) == len(omne.accepted)
    # A row that was tried, and then left out of its file, stays to be tried; nothing else is left open.
    assert not {"enviando", "incerto"} & set(house.statuses())
