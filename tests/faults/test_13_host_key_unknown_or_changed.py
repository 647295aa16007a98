"""FAULTS 13: the host key is unknown or changed: refused before the password is sent; an alarm, no retry storm.

How rarely a server is asked again after that is in ``tests/sensors/test_drop_sensor.py``.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import asyncssh
import pytest
from receiving import ACORDOS, NAME, QUICK, SENSOR, outcomes, receiving, receiving_from
from servers import openssh_server

from resources.access import Access
from resources.file_server import AccessRefused, FileServer
from sensors.alarm_runs import failing_sensors
from sensors.drop import AccessRefusedBefore

ANOTHER = asyncssh.generate_private_key("ssh-ed25519")


@pytest.mark.parametrize(("known", "asked"), [((ANOTHER.get_fingerprint(),), 1), ((), 0)], ids=["changed", "unknown"])
def test_a_server_with_another_key_gets_no_password_and_is_left_alone_until_a_person_acts(
    tmp_path: Path, ledger_url: str, known: tuple[str, ...], asked: int
) -> None:
    with receiving("sftp", tmp_path, ledger_url) as drop:
        drop.put()
        drop.tick()
        before = drop.cursor
        right = drop.runtime.drop
        wrong = replace(drop.served.access, fingerprints=known, prefix="ATOM_DROP_")
        drop.runtime.drop = FileServer(drop.served.url, wrong, QUICK)
        drop.served.faults.clear()
        with pytest.raises(AccessRefused) as raised:
            drop.tick()
        assert not raised.value.retry_helps
        words = str(raised.value)
        assert ("ATOM_DROP_FINGERPRINT" if not known else drop_fingerprint(drop.served.access)) in words, words
        # Polls later it was asked once at most, and the password never left.
        for _ in range(3):
            with pytest.raises(AccessRefusedBefore, match="Não foi tentado agora"):
                drop.tick()
        assert (drop.served.faults.counts["connect"], drop.served.faults.counts["login"]) == (asked, 0)
        assert drop.cursor is not None and before is not None and ACORDOS in drop.cursor
        [failing] = failing_sensors(drop.instance, NAME)
        assert (failing.name, failing.refused, "127.0.0.1" in failing.words) == (SENSOR, True, True)
        # A person checks the key with the bank, sets it right, and collects.
        drop.runtime.drop = right
        assert outcomes(drop.collect()) == {ACORDOS: "coletado"}
        assert drop.quiet()
        assert list(failing_sensors(drop.instance, NAME)) == []
        assert drop.files() == [(ACORDOS, 1, "current")]


def drop_fingerprint(access: Access) -> str:
    [found] = access.fingerprints
    return found


def test_openssh_under_a_key_that_known_hosts_does_not_have_is_refused_before_a_login(
    tmp_path: Path, ledger_url: str
) -> None:
    (tmp_path / "drop").mkdir()
    with (
        openssh_server(tmp_path / "sshd", tmp_path / "drop") as served,
        receiving_from(served, tmp_path / "home", ledger_url) as drop,
    ):
        drop.put()
        known = served.known_hosts.read_text()
        served.known_hosts.write_text(f"{known.split()[0]} {ANOTHER.export_public_key().decode()}")
        with pytest.raises(AccessRefused, match=r"127\.0\.0\.1"):
            drop.tick()
        assert "Accepted publickey" not in served.log.read_text()
        served.known_hosts.write_text(known)
        assert outcomes(drop.collect()) == {ACORDOS: "coletado"}
        assert drop.quiet()
        assert "Accepted publickey" in served.log.read_text()
