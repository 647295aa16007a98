"""SFTP's own dangers: unknown hosts, keys of whoever runs this, and what sshfs does on its own (FAULTS 13, traps)."""

from __future__ import annotations

import asyncio
import hashlib
import shutil
import subprocess
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path

import asyncssh
import fsspec.asyn
import pytest
from servers import OpenSsh, Served, openssh_server, sftp_server
from servers import sftp as serving
from sshfs import SSHFileSystem

from resources.access import Access
from resources.file_server import AccessRefused, DeadlinePassed, FileServer, FileServerError, Patience, is_plain_name

QUICK = Patience(pause=0.01)
CONTENT = b"contrato;valor\r\n"


@pytest.fixture(scope="module")
def _served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with sftp_server(tmp_path_factory.mktemp("raiz")) as served:
        yield served


@pytest.fixture
def served(_served: Served) -> Iterator[Served]:
    for path in _served.root.iterdir():
        path.unlink()
    yield _served
    _served.faults.clear()


@pytest.fixture(scope="module")
def openssh(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OpenSsh]:
    base = tmp_path_factory.mktemp("openssh")
    (base / "raiz").mkdir()
    with openssh_server(base / "ssh", base / "raiz") as served:
        yield served


def known_hosts(tmp_path: Path, served: Served, key: asyncssh.SSHKey, port: int | None = None) -> Path:
    line = key.export_public_key("openssh").decode()
    (tmp_path / "known_hosts").write_text(f"[127.0.0.1]:{port or served.port} {line}")
    return tmp_path / "known_hosts"


# Whom we speak to.


def test_without_a_known_host_nothing_is_sent_and_the_way_out_is_said(served: Served) -> None:
    with pytest.raises(AccessRefused) as raised:
        FileServer(served.url, Access(prefix="ATOM_DROP_")).list()
    assert (served.faults.counts["connect"], raised.value.retry_helps) == (0, False)
    for said in ("ATOM_DROP_KNOWN_HOSTS", "ATOM_DROP_FINGERPRINT", f"ssh-keyscan -p {served.port} 127.0.0.1"):
        assert said in str(raised.value)


@pytest.mark.parametrize("how", ["fingerprint", "known_hosts", "both"])
def test_a_host_that_shows_another_key_never_gets_the_password(served: Served, tmp_path: Path, how: str) -> None:
    other = asyncssh.generate_private_key("ssh-ed25519")
    access = Access(
        known_hosts=None if how == "fingerprint" else known_hosts(tmp_path, served, other),
        fingerprints=() if how == "known_hosts" else (other.get_fingerprint(),),
    )
    with pytest.raises(AccessRefused, match="is not the one") as raised:
        FileServer(served.url, access).list()
    assert served.access.fingerprints[0] in str(raised.value)
    assert not raised.value.retry_helps
    assert (served.faults.counts["connect"], served.faults.counts["login"]) == (1, 0)


def test_a_host_that_is_not_in_known_hosts_is_refused(served: Served, tmp_path: Path) -> None:
    key = asyncssh.generate_private_key("ssh-ed25519")
    access = Access(known_hosts=known_hosts(tmp_path, served, key, port=1))
    with pytest.raises(AccessRefused, match=rf"in {access.known_hosts} \(as \[127\.0\.0\.1\]:{served.port}\)"):
        FileServer(served.url, access).list()
    assert served.faults.counts["login"] == 0


def test_a_known_key_of_another_kind_is_refused_too(served: Served, tmp_path: Path) -> None:
    key = asyncssh.generate_private_key("ecdsa-sha2-nistp256")
    with pytest.raises(AccessRefused, match="known_hosts"):
        FileServer(served.url, Access(known_hosts=known_hosts(tmp_path, served, key))).list()
    assert served.faults.counts["login"] == 0


def test_a_host_that_changes_its_key_is_refused_from_then_on(tmp_path: Path) -> None:
    first, second = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
    with sftp_server(tmp_path, host_key=first) as before:
        server = FileServer(before.url, before.access)
        assert server.list() == []
    with sftp_server(tmp_path, host_key=second, port=before.port) as after:
        with pytest.raises(AccessRefused, match=second.get_fingerprint().replace("+", r"\+")):
            server.list()
        assert after.faults.counts["login"] == 0
        both = Access(fingerprints=(*before.access.fingerprints, *after.access.fingerprints))
        assert FileServer(after.url, both).list() == []


@pytest.mark.parametrize("problem", ["missing", "broken"])
def test_a_known_hosts_file_that_cannot_be_read_is_no_known_host(served: Served, tmp_path: Path, problem: str) -> None:
    if problem == "broken":
        (tmp_path / "known_hosts").write_bytes(b"\xff\xfe")
    with pytest.raises(AccessRefused, match=r"known_hosts cannot be read|no host|is not the one"):
        FileServer(served.url, Access(known_hosts=tmp_path / "known_hosts")).list()
    assert served.faults.counts["login"] == 0


def test_a_line_that_ssh_keyscan_prints_is_understood(openssh: OpenSsh, tmp_path: Path) -> None:
    scanned = subprocess.run(
        ["ssh-keyscan", "-t", "ed25519", "-p", str(openssh.port), "127.0.0.1"], capture_output=True, check=True
    ).stdout
    (tmp_path / "known_hosts").write_bytes(scanned)
    assert FileServer(openssh.url, replace(openssh.access, known_hosts=tmp_path / "known_hosts")).list() == []
    subprocess.run(["ssh-keygen", "-q", "-H", "-f", tmp_path / "known_hosts"], check=True, capture_output=True)
    assert FileServer(openssh.url, replace(openssh.access, known_hosts=tmp_path / "known_hosts")).list() == []
    shown = (
        subprocess.run(["ssh-keygen", "-lf", "-"], input=scanned, capture_output=True, check=True)
        .stdout.decode()
        .split()[1]
    )
    assert FileServer(openssh.url, Access(key=openssh.key, fingerprints=(shown,))).list() == []


# Who we are.


def test_the_keys_agent_and_configuration_of_the_user_are_not_used(
    openssh: OpenSsh, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".ssh").mkdir(mode=0o700)
    (tmp_path / ".ssh/id_ed25519").write_bytes(openssh.key.read_bytes())
    (tmp_path / ".ssh/id_ed25519").chmod(0o600)
    (tmp_path / ".ssh/known_hosts").write_bytes(openssh.known_hosts.read_bytes())
    (tmp_path / ".ssh/config").write_text(f"Host *\n  IdentityFile {openssh.key}\n  Port 1\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    agent = subprocess.run(["ssh-agent", "-s"], capture_output=True, check=True, text=True).stdout
    variables = dict(part.split("=", 1) for part in agent.replace("\n", ";").split(";") if part.startswith("SSH_"))
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    try:
        subprocess.run(["ssh-add", "-q", tmp_path / ".ssh/id_ed25519"], check=True, capture_output=True)
        with pytest.raises(AccessRefused, match="nothing says which host key"):
            FileServer(openssh.url, Access(password="x")).list()
        with pytest.raises(AccessRefused, match="no key and no password"):
            FileServer(openssh.url, Access(known_hosts=openssh.known_hosts)).list()
        with pytest.raises(AccessRefused, match="does not let"):
            FileServer(openssh.url, Access(password="x", known_hosts=openssh.known_hosts)).list()
        assert FileServer(openssh.url, openssh.access).list() == []
    finally:
        subprocess.run(["ssh-agent", "-k"], capture_output=True, check=True)


def test_a_key_with_a_passphrase_opens_the_server_and_without_it_does_not(openssh: OpenSsh, tmp_path: Path) -> None:
    (tmp_path / "key").write_bytes(openssh.key.read_bytes())
    (tmp_path / "key").chmod(0o600)
    subprocess.run(["ssh-keygen", "-q", "-p", "-P", "", "-N", "frase secreta", "-f", tmp_path / "key"], check=True)
    access = replace(openssh.access, key=tmp_path / "key", key_passphrase="frase secreta")
    assert FileServer(openssh.url, access).list() == []
    for wrong in (None, "outra frase"):
        with pytest.raises(AccessRefused, match=r"cannot be used.*KEY_PASSPHRASE") as raised:
            FileServer(openssh.url, replace(access, key_passphrase=wrong)).list()
        assert "frase" not in str(raised.value)


def test_a_key_that_is_not_there_or_not_known_is_said_so(openssh: OpenSsh, tmp_path: Path) -> None:
    with pytest.raises(AccessRefused, match="nada cannot be used: No such file"):
        FileServer(openssh.url, replace(openssh.access, key=tmp_path / "nada")).list()
    asyncssh.generate_private_key("ssh-ed25519").write_private_key(tmp_path / "outra")
    with pytest.raises(AccessRefused, match="with this key"):
        FileServer(openssh.url, replace(openssh.access, key=tmp_path / "outra")).list()


# What sshfs does on its own.


def test_nothing_that_sshfs_does_carelessly_is_asked_of_it(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("get_file", "_get_file", "put_file", "_put_file", "mv", "_mv", "cp_file", "_cp_file", "_execute"):
        monkeypatch.setattr(SSHFileSystem, name, lambda *_, name=name, **__: pytest.fail(name))
    server = FileServer(served.url, served.access)
    (tmp_path / "saida").write_bytes(CONTENT)
    first = server.publish(tmp_path / "saida", "a.csv")
    (tmp_path / "saida").write_bytes(b"segunda")
    server.publish(tmp_path / "saida", "a.csv", replaces=first.sha256)
    listed = server.list()
    assert server.download(listed[0], tmp_path / "local").size == len(b"segunda")


def test_a_dead_connection_does_not_come_back(tmp_path: Path) -> None:
    key = asyncssh.generate_private_key("ssh-ed25519")
    with sftp_server(tmp_path, host_key=key) as before:
        server = FileServer(before.url, before.access, QUICK)
        server.list()
    with pytest.raises(FileServerError):
        server.list()
    with sftp_server(tmp_path, host_key=key, port=before.port):
        assert server.list() == []
    assert SSHFileSystem._cache == {}


def test_a_lost_connection_is_told_once_and_other_errors_that_nobody_took_are_shown(
    served: Served, caplog: pytest.LogCaptureFixture
) -> None:
    assert FileServer(served.url, served.access).list() == []
    loop = fsspec.asyn.get_loop()
    for error in (asyncssh.ConnectionLost("gone"), ValueError("a defect")):
        said = {"message": f"Task exception was never retrieved: {error!r}", "exception": error}
        loop.call_soon_threadsafe(loop.call_exception_handler, said)
    fsspec.asyn.sync(loop, asyncio.sleep, 0)
    assert ["a defect" in said for said in caplog.messages if "never retrieved" in said] == [True]


def test_a_hang_while_opening_a_file_is_left_in_time(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (served.root / "a.csv").write_bytes(CONTENT)
    server = FileServer(served.url, served.access, Patience(call=0.5, connect=5, idle=0.5))
    [listed] = server.list()

    async def silent(*_: object) -> object:
        import asyncio

        return await asyncio.sleep(2)

    monkeypatch.setattr(serving._Files, "open", silent)  # sshfs opens without any time limit
    with pytest.raises(DeadlinePassed):
        server.download(listed, tmp_path / "local")


def test_a_server_without_a_replacing_rename_is_served_in_steps(served: Served, tmp_path: Path) -> None:
    served.faults.on("replace", "refuse", words="unsupported")
    server = FileServer(served.url, served.access, QUICK)
    (tmp_path / "saida").write_bytes(b"primeira")
    first = server.publish(tmp_path / "saida", "a.csv")
    (tmp_path / "saida").write_bytes(b"segunda")
    assert not server.publish(tmp_path / "saida", "a.csv", replaces=first.sha256).already_there
    assert {path.name: path.read_bytes() for path in served.root.iterdir()} == {"a.csv": b"segunda"}


def test_a_replacement_that_fails_between_its_steps_brings_the_earlier_file_back(
    served: Served, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served.faults.on("replace", "refuse", words="unsupported")
    server = FileServer(served.url, served.access, QUICK)
    (tmp_path / "saida").write_bytes(b"primeira")
    first = server.publish(tmp_path / "saida", "a.csv")
    rename = serving._Files.rename

    async def refuse_the_second(self: object, source: bytes, target: bytes) -> None:
        if source.endswith(b".parcial"):
            raise asyncssh.SFTPFailure("Failure")
        await rename(self, source, target)  # type: ignore[arg-type]

    monkeypatch.setattr(serving._Files, "rename", refuse_the_second)
    (tmp_path / "saida").write_bytes(b"segunda")
    with pytest.raises(FileServerError):
        server.publish(tmp_path / "saida", "a.csv", replaces=first.sha256)
    assert {path.name: path.read_bytes() for path in served.root.iterdir()} == {"a.csv": b"primeira"}


def test_a_name_that_is_a_path_is_listed_as_it_is_and_leads_nowhere(
    served: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def hostile(*_: object) -> AsyncIterator[asyncssh.SFTPName]:
        attributes = asyncssh.SFTPAttrs(permissions=0o100644, size=1, mtime=1, atime=1, uid=0, gid=0)
        for name in (b"../fora.csv", b"/etc/passwd", b"a/b.csv", b"..", b"certo.csv"):
            yield asyncssh.SFTPName(name, attrs=attributes)

    monkeypatch.setattr(serving._Files, "scandir", hostile)
    names = [file.name for file in FileServer(served.url, served.access).list()]
    assert [name for name in names if is_plain_name(name)] == ["certo.csv"]
    assert len(names) == 4  # the folder above is none


def test_a_link_is_no_file_of_the_folder(served: Served) -> None:
    (served.root / "certo.csv").write_bytes(CONTENT)
    (served.root / "link.csv").symlink_to("/etc/hostname")
    assert [file.name for file in FileServer(served.url, served.access).list()] == ["certo.csv"]


def test_a_login_that_leads_somewhere_is_where_a_tilde_starts(openssh: OpenSsh, tmp_path: Path) -> None:
    home = Path.home()
    relative = Path(*[".."] * (len(home.parts) - 1), *openssh.root.parts[1:])
    (openssh.root / "certo.csv").write_bytes(CONTENT)
    try:
        server = FileServer(f"sftp://{openssh.user}@127.0.0.1:{openssh.port}/~/{relative}", openssh.access)
        assert server.sha256("certo.csv") == hashlib.sha256(CONTENT).hexdigest()
        (tmp_path / "saida").write_bytes(CONTENT)
        server.publish(tmp_path / "saida", "carga.txt", "erros")
        assert (openssh.root / "erros/carga.txt").read_bytes() == CONTENT
    finally:
        for path in sorted(openssh.root.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()


# The server of the tests.


@pytest.mark.parametrize(("ci", "outcome"), [("true", pytest.fail.Exception), ("", pytest.skip.Exception)])
def test_without_sshd_a_test_fails_where_nobody_looks_and_is_skipped_elsewhere(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ci: str, outcome: type[BaseException]
) -> None:
    monkeypatch.setattr(shutil, "which", lambda *_, **__: None)
    monkeypatch.setenv("CI", ci)
    with pytest.raises(outcome, match="tests/system-packages"), openssh_server(tmp_path / "ssh", tmp_path):
        pass
