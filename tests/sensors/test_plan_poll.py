"""What of a drop is asked for, and when: nothing that still changes, everything that stopped, each change once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from atom_pipeline.plan.poll import (
    MOST_PENDING,
    RESOLUTION,
    Kind,
    Known,
    Meaning,
    Pending,
    PollPlan,
    Seen,
    plan_poll,
    read_cursor,
    wait_after_refusals,
    write_cursor,
)

T0 = datetime(2026, 11, 9, 23, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
LONG_AGO = T0 - timedelta(days=3)
PLACE = ("remessa", "2026-11-10")


def meaning(name: str) -> Meaning:
    if name.startswith("corrigido"):
        return Meaning(Kind.CORRECTION)
    if name.startswith("outro"):
        return Meaning(Kind.OTHERS)
    return Meaning(Kind.FILE, frozenset({PLACE})) if name.startswith("remessa") else Meaning(Kind.UNKNOWN)


def handled(size: int = 10, mtime: datetime | None = LONG_AGO) -> Known:
    return Known(size, mtime, T0 - timedelta(hours=1), verified_at=T0, place=PLACE)


@dataclass
class Poller:
    """Polls a drop one minute after another, as the sensor does: its cursor goes through text."""

    now: datetime = T0
    files: dict[str, tuple[int, datetime | None]] = field(default_factory=dict)
    known: dict[str, Known] = field(default_factory=dict)
    cursor: str = ""
    running: str | None = None

    def put(self, name: str, size: int = 10, mtime: datetime | None = LONG_AGO) -> None:
        self.files[name] = (size, mtime)

    def look(self, limit: int = MOST_PENDING) -> PollPlan:
        listing = [Seen(name, size, mtime) for name, (size, mtime) in sorted(self.files.items())]
        cursor = read_cursor(self.cursor)
        return plan_poll(listing, self.known, cursor, meaning, self.now, running=self.running, limit=limit)

    def poll(self, limit: int = MOST_PENDING) -> PollPlan:
        self.now += MINUTE
        plan = self.look(limit)
        self.cursor = write_cursor(plan.cursor)
        return plan

    def collect(self, plan: PollPlan, *, after: timedelta = timedelta(seconds=10)) -> None:
        """What the collection that was asked for leaves in the ledger, of files that are still as they were seen."""
        for file in plan.collect:
            if self.files.get(file.name) != (file.size, file.mtime):
                continue
            before = self.known.get(file.name)
            same = before is not None and (before.size, before.mtime) == (file.size, file.mtime)
            first = before.first_seen_at if before and same else self.now
            if meaning(file.name).kind is Kind.UNKNOWN:
                self.known[file.name] = Known(file.size, file.mtime, first, reported=True)
            else:
                self.known[file.name] = Known(file.size, file.mtime, first, self.now + after, PLACE)


def names(plan: PollPlan) -> list[str]:
    return [file.name for file in plan.collect]


def test_a_file_is_asked_for_when_two_polls_show_it_alike_and_once() -> None:
    one = Poller()
    one.put("remessa")
    first = one.poll()
    assert names(first) == []
    assert first.said[0] == "remessa: ainda não está estável (visto agora pela primeira vez)"
    second = one.poll()
    assert names(second) == ["remessa"]
    assert second.attempt == 1
    one.collect(second)
    assert names(one.poll()) == []


def test_a_file_that_grows_is_left_alone_until_it_stops() -> None:
    one = Poller()
    for size in (10, 20, 20, 30):
        one.put("remessa", size)
        plan = one.poll()
        assert names(plan) == (["remessa"] if size == 20 and "era de" not in plan.said[0] else [])
    assert plan.said[0] == "remessa: ainda não está estável (era de 20 bytes, agora 30)"
    assert names(one.poll()) == ["remessa"]


def test_a_rewrite_of_the_same_size_is_a_change_by_its_time() -> None:
    one = Poller()
    one.put("remessa", mtime=T0)
    one.poll()
    one.put("remessa", mtime=T0 + MINUTE)
    assert names(one.poll()) == []
    assert names(one.poll()) == ["remessa"]


def test_a_done_file_says_that_a_file_is_complete_and_is_no_file_itself() -> None:
    one = Poller()
    one.put("remessa")
    one.put("remessa.done", 0)
    assert names(one.poll()) == ["remessa"]
    alone = Poller()
    alone.put("remessa.done", 0)  # what it is about has gone: a name like any other, of the same layout here
    assert names(alone.poll()) == []
    assert names(alone.poll()) == ["remessa.done"]


def test_what_a_ledger_has_handled_leaves_no_trace_in_the_cursor() -> None:
    one = Poller()
    for number in range(50):
        one.put(f"remessa{number}")
        one.known[f"remessa{number}"] = handled()
    one.put("outro")
    plan = one.poll()
    assert (names(plan), one.cursor) == ([], "{}")
    assert plan.said == ("51 arquivo(s) na entrada, 50 já tratado(s)",)


@pytest.mark.parametrize("mtime", [None, T0, T0 - timedelta(seconds=1), T0 + timedelta(days=400)])
def test_bytes_read_within_the_clocks_resolution_are_read_once_more(mtime: datetime | None) -> None:
    one = Poller()
    one.put("remessa", mtime=mtime)
    one.poll()
    asked = []
    for _ in range(6):
        plan = one.poll()
        one.collect(plan)
        asked.append(len(plan.collect))
    file = one.known["remessa"]
    assert file.verified_at is not None
    assert file.verified_at >= min(mtime or file.first_seen_at, file.first_seen_at) + RESOLUTION
    assert sum(asked) <= 2
    assert one.cursor == "{}"


def test_a_file_that_cannot_be_collected_is_asked_for_more_and_more_slowly_and_for_good() -> None:
    one = Poller()
    one.put("remessa")
    asked = []
    for minute in range(200):
        plan = one.poll()
        if plan.collect:
            asked.append((minute, plan.attempt, plan.key))
    pauses = [after[0] - before[0] for before, after in pairwise(asked)]
    assert pauses == [1, 5, 15, 30, 30, 30, 30, 30]
    assert [attempt for _, attempt, _ in asked] == list(range(1, 10))
    assert len({key for *_, key in asked}) == len(asked)


def test_a_new_version_starts_anew_after_any_number_of_attempts() -> None:
    one = Poller()
    one.put("remessa")
    for _ in range(40):
        one.poll()
    one.put("remessa", 11)
    assert names(one.poll()) == []
    plan = one.poll()
    assert (names(plan), plan.attempt) == (["remessa"], 1)


def test_nothing_is_asked_for_while_a_collection_is_under_way_and_nothing_is_forgotten() -> None:
    one = Poller(running="execução 1234abcd na fila")
    one.put("remessa")
    one.poll()
    plan = one.poll()
    assert names(plan) == []
    assert plan.said[0].startswith("1 arquivo(s) para coletar depois da coleta em andamento (execução 1234abcd")
    one.running = None
    assert names(one.poll()) == ["remessa"]


def test_a_name_that_nobody_knows_is_reported_once_and_then_only_said() -> None:
    one = Poller()
    one.put("foto.jpg")
    one.poll()
    plan = one.poll()
    assert names(plan) == ["foto.jpg"]
    one.collect(plan)
    plan = one.poll()
    assert (names(plan), one.cursor) == ([], "{}")
    assert "nomes que nenhum layout conhece, já relatados: foto.jpg" in plan.said
    one.put("foto.jpg", 99)
    one.poll()
    assert names(one.poll()) == ["foto.jpg"]


def test_a_correction_is_handled_once_its_bytes_were_applied() -> None:
    one = Poller()
    one.put("corrigido")
    one.known["corrigido"] = Known(10, LONG_AGO, T0, verified_at=T0)
    assert names(one.poll()) == []
    assert one.cursor == "{}"


def test_a_file_that_layouts_now_give_another_place_is_asked_for_again() -> None:
    one = Poller()
    one.put("remessa")
    one.known["remessa"] = Known(10, LONG_AGO, T0, verified_at=T0, place=("acordos", "2026-11-10"))
    assert names(one.poll()) == ["remessa"]


def test_the_cursor_is_bounded_and_those_that_fail_keep_nobody_from_a_turn() -> None:
    one = Poller()
    for number in range(30):
        one.put(f"remessa{number:02}")
    bad = {f"remessa{number:02}" for number in range(10)}
    done: set[str] = set()
    for _ in range(40):
        plan = one.poll(limit=10)
        assert len(plan.cursor) <= 10
        good = [file for file in plan.collect if file.name not in bad]
        one.collect(PollPlan(tuple(good), "", 1, {}, ()))
        done |= {file.name for file in good}
    assert done == set(one.files) - bad


@pytest.mark.parametrize("text", ["[]", "{", '{"a": 1}', '{"a": [1, 2]}', '{"a": [1, 2, null, 0, null]}', "null"])
def test_a_cursor_that_nobody_can_read_is_as_none(text: str) -> None:
    assert read_cursor(text) == {}


def test_a_clock_that_is_set_back_holds_nothing() -> None:
    one = Poller()
    one.put("remessa")
    one.poll()
    one.poll()
    one.now -= timedelta(hours=5)
    assert names(one.poll()) == ["remessa"]


def test_a_server_that_refuses_is_asked_more_and_more_rarely() -> None:
    assert wait_after_refusals([], T0) is None
    waits = []
    for count in range(1, 6):
        until = wait_after_refusals([T0 - number * MINUTE for number in range(count)], T0)
        assert until is not None
        waits.append((until - T0) // MINUTE)
    assert waits == [10, 30, 60, 60, 60]
    assert wait_after_refusals([T0], T0 + timedelta(minutes=10)) is None


MICRO = timedelta(microseconds=1)
instants = st.integers(0, 10**15).map(lambda micros: datetime(2020, 1, 1, tzinfo=UTC) + micros * MICRO)
pending = st.builds(
    Pending,
    st.integers(0, 2**62),
    st.none() | instants,
    instants,
    st.integers(0, 99),
    st.none() | instants,
)


@given(st.dictionaries(st.text(max_size=8), pending, max_size=5))
@settings(max_examples=50, deadline=None)
def test_a_cursor_comes_back_as_it_was_written(cursor: Mapping[str, Pending]) -> None:
    assert read_cursor(write_cursor(cursor)) == cursor


FILES = st.sampled_from(["remessa1", "remessa2", "remessa3", "foto.jpg", "corrigido"])
EVENTS = st.one_of(
    st.tuples(st.just("put"), FILES, st.integers(1, 3)),
    st.tuples(st.just("remove"), FILES, st.just(0)),
    st.tuples(st.sampled_from(["poll", "killed", "cursor lost"]), st.just(""), st.just(0)),
    st.tuples(st.sampled_from(["collected", "failed"]), st.just(""), st.just(0)),
)


@given(st.lists(EVENTS, max_size=60))
@settings(max_examples=150, deadline=None)
def test_whatever_happens_nothing_is_asked_for_while_it_changes_and_everything_when_it_stopped(
    events: list[tuple[str, str, int]],
) -> None:
    one = Poller()
    changed: dict[str, datetime] = {}  # when each file last changed
    asked: list[PollPlan] = []
    keys: set[str] = set()

    def poll(*, killed: bool = False) -> None:
        before = one.now
        cursor = one.cursor
        plan = one.poll()
        for file in plan.collect:
            assert file.name in one.files
            record = one.known.get(file.name)
            again = record is not None and (record.size, record.mtime) == (file.size, file.mtime)
            assert again or changed[file.name] <= before - MINUTE, "it changed since the poll before"
        if killed:  # before anything of the tick was kept: the next one decides the same again
            one.cursor = cursor
            one.now += timedelta(seconds=7)  # until it is started again
            if {file.name for file in plan.collect} <= read_cursor(cursor).keys():
                repeated = one.look()
                assert set(plan.collect) <= set(repeated.collect)
                assert repeated.key == plan.key or len(repeated.collect) > len(plan.collect)
            return
        if plan.collect:
            assert plan.key not in keys, "each request is made once"
            keys.add(plan.key)
            asked.append(plan)

    for what, name, size in events:
        if what == "put":
            one.put(name, size, one.now)
            changed[name] = one.now
        elif what == "remove":
            one.files.pop(name, None)
        elif what == "poll":
            poll()
        elif what == "killed":
            poll(killed=True)
        elif what == "cursor lost":
            one.cursor = ""
        elif asked and what == "collected":
            one.collect(asked[-1])
    for _ in range(80):  # nothing changes any more, and what is asked for is done
        one.now += MINUTE
        plan = one.poll()
        one.collect(plan)
    assert one.cursor == "{}"
    assert {name for name, record in one.known.items() if name in one.files} == set(one.files)
    for name, (size, mtime) in one.files.items():
        record = one.known[name]
        assert (record.size, record.mtime) == (size, mtime)
