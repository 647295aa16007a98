"""FAULTS 14: a wrong password: a bounded number of tries; the secret appears in no log, error or UI metadata.

How rarely a server is asked again after that is in ``tests/sensors/test_drop_sensor.py``.
"""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from urllib.parse import quote

import pytest
from receiving import ACORDOS, NAME, PROTOCOLS, QUICK, SENSOR, outcomes, receiving
from servers.common import PASSWORD

from resources.file_server import AccessRefused, FileServer
from sensors.alarm_runs import failing_sensors
from sensors.drop import AccessRefusedBefore

WRONG = "0utro segr/edo#"


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_a_wrong_password_is_tried_once_and_shown_nowhere(
    tmp_path: Path,
    ledger_url: str,
    protocol: str,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    with receiving(protocol, tmp_path, ledger_url) as drop:
        drop.put()
        drop.tick()
        right = drop.runtime.drop
        drop.runtime.drop = FileServer(drop.served.url, replace(drop.served.access, password=WRONG), QUICK)
        drop.served.faults.clear()
        with pytest.raises(AccessRefused, match="does not let evo in") as raised:
            drop.tick()
        assert not raised.value.retry_helps
        for _ in range(3):
            with pytest.raises(AccessRefusedBefore, match="Não foi tentado agora, para não bloquear a conta"):
                drop.tick()
        assert drop.served.faults.counts["login"] == 1
        assert drop.cursor is not None and ACORDOS in drop.cursor
        [failing] = failing_sensors(drop.instance, NAME)
        assert (failing.name, failing.refused) == (SENSOR, True)
        # A person who collects by hand is told the same, after one more try.
        result = drop.collect()
        assert not result.success
        assert drop.served.faults.counts["login"] == 2
        shown = [str(raised.value), drop.tick_errors(), failing.words, caplog.text, *capfd.readouterr()]
        shown += [str(entry) for entry in drop.instance.all_logs(result.run_id)]
        shown += [repr(drop.runtime.settings), repr(drop.runtime.drop)]
        for secret in (WRONG, PASSWORD, quote(WRONG, safe=""), quote(PASSWORD, safe="")):
            assert [text for text in shown if secret in text] == []
        drop.runtime.drop = right
        assert outcomes(drop.collect()) == {ACORDOS: "coletado"}
        assert (drop.files(), drop.quiet()) == ([(ACORDOS, 1, "current")], True)
