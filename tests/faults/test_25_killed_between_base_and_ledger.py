"""Fault 25: killed between the base and the ledger, at every boundary in turn: the same final state after a restart."""

from __future__ import annotations

from typing import Any

from aurora import FRI, SAT, Place, differences, opened, work, world
from killing import Nursery

from resources.durable import hash_file
from resources.ledger_records import WaveStatus
from resources.runtime import PortfolioRuntime

PUBLISHED = ("publicado/manager_baixa", "publicado/manager_mailing", "publicado/erros")
# Of the two hundred effects of a day's making: the base's row, and one of each kind of those before and after it.
OF_THE_MAKING = (
    r"^commit insert (loads after .*/acordos/|verdicts after .*/exclusao_origem/|bases )"
    r"|^name lake/aurora/(recebido/remessa|etapas/batimento_contratos|contratos|cargas|manager_mailing)/"
)


def nothing_is_out_of_the_ledger(runtime: PortfolioRuntime) -> None:
    """What others can see has its row in the ledger, and what the ledger says is there is there, whole."""
    ledger = runtime.ledger
    at_manager = {file.name for file in runtime.manager.list() if not file.name.startswith(".")}
    planned = {file.name: file.sha256 for wave in ledger.waves() for file in wave.files}
    for name in at_manager:
        assert runtime.manager.sha256(name) == planned[name]
    for wave in ledger.waves(status=WaveStatus.SENT):
        assert {file.name for file in wave.files} <= at_manager
    for file in ledger.files(SAT):
        assert hash_file(runtime.archived(file)) == file.sha256
    for table, sha256 in ledger.bases()[0].tables.items():
        assert runtime.lake.sha256(table, FRI) == sha256
    if ledger.base(SAT) is None:
        assert runtime.stale() in ([], [SAT])


def test_a_collection_killed_before_each_of_its_effects_loses_and_repeats_nothing(
    on_saturday: Place, expected: dict[str, Any], children: Nursery
) -> None:
    with opened(on_saturday) as runtime:
        killed = children.kill_in_turn(
            work("collect_drop", on_saturday, SAT, mortal="^(name|commit) "),
            lambda _: nothing_is_out_of_the_ledger(runtime),
        )
        collected = world(runtime)
    assert len([effect for effect in killed if effect.startswith("name arquivo/")]) == 4
    assert len([effect for effect in killed if effect.startswith("commit insert files")]) >= 4
    assert [name for name in differences(collected, expected) if name.startswith(("arquivo/", "drop/aurora"))] == []
    assert collected["files"] == expected["files"]


def test_a_day_killed_before_its_ledger_knows_of_it_is_made_by_the_next_run(
    on_saturday: Place, expected: dict[str, Any], children: Nursery
) -> None:
    assert children.run(work("collect_drop", on_saturday, SAT)).success
    with opened(on_saturday) as runtime:

        def look(before: str) -> None:
            nothing_is_out_of_the_ledger(runtime)
            assert (runtime.ledger.base(SAT) is not None) == ("manager_mailing" in before), before
            assert runtime.ledger.waves(SAT) == []

        killed = children.kill_in_turn(work("make_day", on_saturday, SAT, mortal=OF_THE_MAKING), look)
        assert len(killed) == 8, killed
        assert differences(world(runtime), expected) == []


def test_a_day_killed_at_every_boundary_of_its_sending_sends_everything_once(
    on_saturday: Place, expected: dict[str, Any], children: Nursery
) -> None:
    made = work("collect_and_make_day", on_saturday, SAT, mortal="^half lake/aurora/ondas")
    assert children.run(made).killed_before is not None
    with opened(on_saturday) as runtime:
        killed = children.kill_in_turn(
            work("make_day", on_saturday, SAT, only=PUBLISHED, mortal="."),
            lambda _: nothing_is_out_of_the_ledger(runtime),
        )
        for wave, name in ((1, "aurora-20261114-01-saida.txt"), (2, "aurora-20261114-02-carga.txt")):
            of_the_wave = (
                f"name lake/aurora/ondas/2026-11-14_{wave:02d}.parquet",
                f"name lake/aurora/ondas/2026-11-14_{wave:02d}/{name}",
                f"commit insert waves after lake/aurora/ondas/2026-11-14_{wave:02d}/{name}",
                f"name manager/{name}",
                f"remove manager/(unfinished) after manager/{name}",
            )
            assert [effect for effect in of_the_wave if effect not in killed] == [], killed
        assert [effect for effect in killed if effect.startswith("commit update waves")], "sent, and not on the record"
        assert children.run(work("make_day", on_saturday, SAT)).success
        assert differences(world(runtime), expected) == []
