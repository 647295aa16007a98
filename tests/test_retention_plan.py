"""What may be removed by age, decided over plain dates: the invariants that keep every day that is needed."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from atom_pipeline.portfolio import Retention
from atom_pipeline.retention import Facts, KeptWave, Part, Plan, plan_retention

TODAY = date(2026, 11, 20)
TERMS = ("steps", "archive", "base", "waves", "errors", "runs")


def day(ago: int) -> date:
    return TODAY - timedelta(days=ago)


def wave(ago: int, number: int = 1, *, resets: bool = True, planned: bool = False) -> KeptWave:
    return KeptWave(day(ago), number, sent=not planned, planned=planned, resets=resets)


SHORT = Retention(steps=7, archive=10, base=20, waves=20, errors=7, runs=7)
DAYS = [day(ago) for ago in range(40, 0, -1)]


def test_what_is_older_than_its_term_goes() -> None:
    plan = plan_retention(SHORT, Facts(TODAY, bases=DAYS))
    assert plan.before == {
        Part.STEPS: day(7),
        Part.ARCHIVE: day(10),
        Part.BASE: day(20),
        Part.WAVES: day(20),
        Part.ERRORS: day(7),
        Part.RUNS: day(7),
    }
    assert plan.removes_archive(day(11))
    assert not plan.removes_archive(day(10))


def test_without_terms_everything_is_kept() -> None:
    assert plan_retention(Retention(), Facts(TODAY, bases=DAYS, waves=[wave(30)])) == Plan({})


def test_a_portfolio_that_stood_still_keeps_its_newest_day_and_the_base_it_starts_from() -> None:
    old = [day(400), day(399)]
    plan = plan_retention(SHORT, Facts(TODAY, bases=old))
    assert [plan.removes_archive(one) for one in old] == [True, False]
    assert [plan.removes_base(one) for one in old] == [False, False]
    assert plan.before[Part.STEPS] == day(399)


def test_days_that_must_be_made_and_waves_on_their_way_keep_all_they_have() -> None:
    plan = plan_retention(SHORT, Facts(TODAY, bases=DAYS, stale=[day(15), day(14)]))
    assert not any(plan.removes_archive(one) or plan.removes_steps(one) for one in (day(15), day(14)))
    assert plan.removes_archive(day(16))
    planned = plan_retention(SHORT, Facts(TODAY, bases=DAYS, waves=[wave(30, planned=True)]))
    assert set(planned.before.values()) == {day(30)}


def test_the_waves_that_say_what_manager_had_are_kept_back_to_their_carga() -> None:
    waves = [wave(45), wave(44), wave(43, 1, resets=False), wave(42, 1, resets=False), wave(2)]
    plan = plan_retention(SHORT, Facts(TODAY, bases=DAYS, waves=waves))
    assert [plan.removes_wave(one.day, one.number) for one in waves] == [True, False, False, False, False]


def test_the_file_of_an_imported_base_stays_as_long_as_the_base() -> None:
    bases = [day(30), day(15), *DAYS[-10:]]
    for imported, kept in ((day(30), False), (day(15), True)):
        assert plan_retention(SHORT, Facts(TODAY, bases=bases, imported=imported)).removes_archive(imported) is not kept


def test_what_is_gone_does_not_come_back_when_more_time_is_given() -> None:
    longer = SHORT.model_copy(update={"archive": 18})
    plan = plan_retention(longer, Facts(TODAY, bases=DAYS, floor=day(12)))
    assert plan.before[Part.ARCHIVE] == day(12)


@pytest.mark.parametrize("terms", [{"base": 30}, {"archive": 30, "base": 29}, {"archive": 30, "waves": 10}])
def test_what_a_day_made_again_needs_is_kept_as_long_as_its_files(terms: dict[str, int]) -> None:
    with pytest.raises(ValidationError, match="at least as long as `archive`"):
        Retention(**terms)


@st.composite
def terms(draw: st.DrawFn) -> Retention:
    values = {name: draw(st.none() | st.integers(7, 60)) for name in TERMS}
    archive = values["archive"]
    for name in ("base", "waves"):
        if archive is None:
            values[name] = None
        elif values[name] is not None:
            values[name] = max(values[name], archive)
    return Retention(**values)


@st.composite
def facts(draw: st.DrawFn) -> Facts:
    bases = sorted(draw(st.sets(st.integers(0, 70), max_size=20)), reverse=True)
    stale = sorted(draw(st.sets(st.integers(0, 40), max_size=3)), reverse=True)
    sent = [
        KeptWave(day(ago), number, sent=True, planned=False, resets=draw(st.booleans()))
        for ago in bases
        for number in range(1, draw(st.integers(1, 3)))
    ]
    return Facts(
        TODAY,
        bases=[day(ago) for ago in bases],
        stale=[day(ago) for ago in stale],
        waves=sent,
        imported=day(bases[0]) if bases and draw(st.booleans()) else None,
        floor=draw(st.none() | st.sampled_from([day(ago) for ago in bases[1:]])) if bases[1:] else None,
    )


@settings(max_examples=300, deadline=None)
@given(retention=terms(), known=facts())
def test_whatever_is_kept_a_day_that_can_be_made_has_all_it_needs(retention: Retention, known: Facts) -> None:
    plan = plan_retention(retention, known)
    made_again = [one for one in {*known.bases, *known.stale} if not plan.removes_archive(one)]
    floor = plan.before.get(Part.ARCHIVE, date.min)
    for one in made_again:
        before = [base for base in known.bases if base < one]
        if one >= floor and before:
            assert not plan.removes_base(before[-1])  # it starts from it
            earlier = [wave for wave in known.waves if wave.day < one]
            resets = [place for place, wave in enumerate(earlier) if wave.resets]
            for wave in earlier[resets[-1] if resets else 0 :]:
                assert not plan.removes_wave(wave.day, wave.number)  # what Manager had
    floors = [known.floor] if known.floor else []
    for one in known.stale:
        assert not plan.removes_archive(one) or one < max(floors, default=date.min)
        assert not plan.removes_steps(one)
    if known.bases:
        assert not plan.removes_base(known.bases[-1])
        assert not plan.removes_archive(known.bases[-1])
    assert all(before <= TODAY for before in plan.before.values())
