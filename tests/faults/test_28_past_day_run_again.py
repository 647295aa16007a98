"""Fault 28: a past day is run again: every table byte for byte the same, nothing sent."""

from __future__ import annotations

from agency import failures
from aurora import FRI, Place, aurora, differences, opened, world


def test_a_past_day_run_again_changes_no_byte_and_sends_nothing(made_on_saturday: Place) -> None:
    with opened(made_on_saturday) as runtime:
        before = world(runtime)
    with aurora(*made_on_saturday) as house:
        result = house.run(FRI)
        assert result.success, failures(result)
        assert house.runtime.stale() == [], "the day after it is still the one that follows from it"
        assert differences(world(house.runtime), before) == []
        why = "a onda mais recente é do dia 2026-11-14: um dia anterior não é enviado"
        assert house.runtime.sending(FRI).reasons == (why,)
        made = [event.step_materialization_data.materialization for event in result.get_asset_materialization_events()]
        said = [one.metadata["motivos"].value for one in made if "motivos" in one.metadata]
        assert said == [f"- {why}"] * 2, "the screen says so on the mailing and on the baixa"
