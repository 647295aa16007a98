from __future__ import annotations

import threading
import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from resources import patience
from resources.access import Access
from resources.instance import environment
from resources.patience import Patience, Watch
from resources.settings import Settings
from resources.transport import Address, WrongAddress

VALUES = {
    "ATOM_DROP_PASSWORD": "s3nha",
    "ATOM_DROP_KEY": "/chaves/drop",
    "ATOM_DROP_KEY_PASSPHRASE": "fr4se",
    "ATOM_DROP_KNOWN_HOSTS": "/chaves/known_hosts",
    "ATOM_DROP_FINGERPRINT": "SHA256:um, SHA256:dois",
    "ATOM_DROP_CA": "/chaves/ca.pem",
    "ATOM_MANAGER_PASSWORD": "0utra",
}


def test_each_server_has_an_access_of_its_own(tmp_path: Path) -> None:
    settings = Settings.from_env({"ATOM_HOME": str(tmp_path), **VALUES})
    assert settings.drop_access == Access(
        password="s3nha",
        key=Path("/chaves/drop"),
        key_passphrase="fr4se",
        known_hosts=Path("/chaves/known_hosts"),
        fingerprints=("SHA256:um", "SHA256:dois"),
        ca=Path("/chaves/ca.pem"),
    )
    assert settings.manager_access == Access(password="0utra")
    assert (settings.drop_access.prefix, settings.manager_access.prefix) == ("ATOM_DROP_", "ATOM_MANAGER_")


def test_an_empty_environment_gives_nothing_away() -> None:
    assert Access.from_env(dict.fromkeys(VALUES, ""), "ATOM_DROP_") == Access()


def test_no_secret_of_an_access_is_shown(tmp_path: Path) -> None:
    settings = Settings.from_env({"ATOM_HOME": str(tmp_path), **VALUES})
    for shown in (repr(settings), str(settings), repr(settings.drop_access), str(settings.manager_access)):
        for secret in ("s3nha", "fr4se", "0utra"):
            assert secret not in shown


def test_other_processes_get_the_same_access_whatever_they_inherit(tmp_path: Path) -> None:
    settings = Settings.from_env({"ATOM_HOME": str(tmp_path), **VALUES})
    inherited = {"ATOM_MANAGER_KEY": "/de/outro", **environment(settings, "postgresql://banco/atom")}
    again = Settings.from_env(inherited)
    assert (again.drop_access, again.manager_access) == (settings.drop_access, settings.manager_access)


# Addresses.


@pytest.mark.parametrize(
    ("url", "host", "port", "user", "password", "root"),
    [
        ("sftp://evo@drop.exemplo/saida", "drop.exemplo", None, "evo", None, "/saida"),
        ("sftp://evo:a%2Fb%23c@drop.exemplo:2222/sa%C3%ADda/", "drop.exemplo", 2222, "evo", "a/b#c", "/saída"),
        ("ftp://e%40vo:@[::1]:21/", "::1", 21, "e@vo", "", ""),
        ("ftps://evo@drop", "drop", None, "evo", None, "."),
        ("ftps://evo@drop/~", "drop", None, "evo", None, "."),
        ("sftp://evo@drop/~/a/b/", "drop", None, "evo", None, "a/b"),
        ("sftp://evo@drop/~a", "drop", None, "evo", None, "/~a"),
    ],
)
def test_a_url_is_taken_apart(url: str, host: str, port: int, user: str, password: str, root: str) -> None:
    address = Address.parse(url)
    assert (address.host, address.port, address.user, address.root) == (host, port, user, root)
    assert address.password == password
    assert "a/b#c" not in repr(address)


@pytest.mark.parametrize(
    "url",
    [
        "sftp://evo:seg/redo@drop/saida",
        "sftp://evo:seg#redo@drop/saida",
        "sftp://evo:123#redo@drop/saida",
        "sftp://evo:seg?redo@drop/saida",
        "sftp://evo:segredo@drop:porta/saida",
        "sftp://evo:segredo@[drop/saida",
        "sftp://:segredo@drop/saida",
        "sftp:///segredo",
        "sftp://drop/saida",
        "sftp://evo:segredo%0Axx@drop/saida",
        "sftp://evo:segredo@drop/saida?x=1",
    ],
)
def test_a_url_that_cannot_be_used_is_refused_without_its_secret(url: str) -> None:
    with pytest.raises(WrongAddress) as raised:
        Address.parse(url)
    assert not raised.value.retry_helps
    for part in (":seg", "redo@", ":123", "segredo@"):
        assert part not in str(raised.value)
    assert raised.value.__cause__ is None


# Time.


def test_what_takes_too_long_is_broken_off_and_nothing_else() -> None:
    broken = threading.Event()
    watch = Watch(Patience(call=0.05))
    with watch.guard(broken.set):
        assert broken.wait(10)
    assert watch.passed
    broken.clear()
    watch = Watch(Patience(call=60))
    with watch.guard(broken.set):
        time.sleep(0.01)
    assert (broken.is_set(), watch.passed) == (False, False)
    assert "atom-watch" not in {thread.name for thread in threading.enumerate()}


def test_silence_is_too_long_sooner_than_the_call_and_moving_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    broken = threading.Event()
    later = [0.0]
    monkeypatch.setattr(patience, "time", SimpleNamespace(monotonic=lambda: time.monotonic() + later[0]))
    watch = Watch(Patience(call=600, idle=100))
    with watch.guard(broken.set):
        for _ in range(4):
            later[0] += 90
            watch.moved()
        assert not broken.wait(0.1)
        later[0] += 101
        with watch._changed:
            watch._changed.notify_all()  # a clock that leaps wakes nobody
        assert broken.wait(10)


def test_a_transfer_gets_the_time_that_its_bytes_may_take() -> None:
    watch = Watch(Patience(call=20, slowest=1000))
    watch.transfer(5000)
    assert 24 < watch.remaining() <= 25
    assert watch.connecting() == 10
