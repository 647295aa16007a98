"""FAULTS 3: an upload that still grows is left alone until two polls show the same, or its done-file is there."""

from __future__ import annotations

from pathlib import Path

import pytest
from receiving import ACORDOS, CONTENT, PROTOCOLS, outcomes, receiving, said


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_it_is_left_alone_until_two_polls_show_the_same(tmp_path: Path, ledger_url: str, protocol: str) -> None:
    with receiving(protocol, tmp_path, ledger_url) as drop:
        for part in (100, 1000, 100_000):
            drop.put(ACORDOS, CONTENT[:part])
            waiting = drop.tick()
            assert not waiting.run_requests
            assert f"{ACORDOS}: ainda não está estável" in said(waiting)
        assert "era de 1000 bytes, agora 100000" in said(waiting)
        assert (drop.files(), drop.archived()) == ([], {})
        drop.put()
        assert not drop.tick().run_requests
        assert outcomes(drop.obey(drop.tick())) == {ACORDOS: "coletado"}
        assert (drop.files(), list(drop.archived().values())) == ([(ACORDOS, 1, "current")], [CONTENT])
        assert drop.quiet()


@pytest.mark.parametrize("protocol", ["sftp", "ftps"])
def test_one_that_grows_on_after_the_second_poll_is_left_to_a_later_one(
    tmp_path: Path, ledger_url: str, protocol: str
) -> None:
    with receiving(protocol, tmp_path, ledger_url) as drop:
        drop.put(ACORDOS, CONTENT[:1000])
        asked = drop.asked()
        drop.put()
        assert outcomes(drop.obey(asked)) == {ACORDOS: "ainda não está estável"}
        assert (drop.files(), drop.archived()) == ([], {})
        assert outcomes(drop.obey(drop.asked())) == {ACORDOS: "coletado"}
        assert list(drop.archived().values()) == [CONTENT]


def test_its_done_file_says_that_it_is_whole(tmp_path: Path, ledger_url: str) -> None:
    with receiving("sftp", tmp_path, ledger_url) as drop:
        drop.put()
        drop.put(f"{ACORDOS}.done", b"")
        assert outcomes(drop.obey(drop.tick())) == {ACORDOS: "coletado"}
        assert (drop.files(), drop.quiet()) == ([(ACORDOS, 1, "current")], True)
