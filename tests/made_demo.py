"""A home with two days of `atom demo`, made once for all the processes of a test session and copied for each use.

The embedded PostgreSQL lies in it, so a copy is a whole installation of its own. The folders above a home are open and
its path is short: the embedded server's data and its socket are there.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
SIZE = ("--contracts", "120", "--days", "2", "--seed", "7")


@dataclass(frozen=True)
class MadeDemo:
    """``said`` is what the command printed, ``home`` is left as it was made."""

    home: Path
    said: str


def variables(home: Path) -> dict[str, str]:
    """The environment of a command on a home, with nothing of this process's own installation."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ATOM_", "DAGSTER_"))}
    return {**kept, "ATOM_HOME": str(home), "COLUMNS": "200"}


def made_demo(shared: Path) -> MadeDemo:
    """The demo that lies in a folder which the session's processes share; whoever comes first makes it."""
    made = MadeDemo(shared / "demo", "")
    words = shared / "demo.txt"
    with (shared / "demo.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not words.exists():
            with open_folder() as folder:
                home = folder / "home"
                command = [sys.executable, "-c", "from atom_pipeline.cli import main; main()", "demo", *SIZE]
                done = subprocess.run(command, cwd=ROOT, env=variables(home), capture_output=True, text=True)
                assert done.returncode == 0, done.stdout + done.stderr
                assert "Traceback" not in done.stderr
                copy_home(home, made.home)
            words.write_text(done.stdout, encoding="utf-8")
    return MadeDemo(made.home, words.read_text(encoding="utf-8"))


@contextmanager
def installed(made: MadeDemo) -> Iterator[Path]:
    """A copy of its own: the folder of a home named ``home``, whose PostgreSQL waits for no disk."""
    with open_folder() as folder:
        copy_home(made.home, folder / "home")
        with (folder / "home" / "postgres" / "postgresql.auto.conf").open("a", encoding="utf-8") as settings:
            settings.write("fsync = off\nsynchronous_commit = off\n")
        yield folder


@contextmanager
def postgresql_up(home: Path) -> Iterator[None]:
    """The home's embedded PostgreSQL, up between the commands that use it, as beside an `atom up`."""
    program = (
        "import sys\nfrom resources.postgres import database\nfrom resources.settings import Settings\n"
        "with database(Settings.from_env()):\n    print('up', flush=True)\n    sys.stdin.read()\n"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env=variables(home),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    try:
        assert holder.stdout.readline() == "up\n"
        yield
    finally:
        holder.communicate("")


def copy_home(home: Path, target: Path) -> None:
    """Copy a home that nothing runs in, with its owners and times, as a backup does."""
    assert not (home / "postgres.folder").exists(), f"PostgreSQL's data do not lie in {home}"
    subprocess.run(["cp", "-a", str(home), str(target)], check=True)


@contextmanager
def open_folder() -> Iterator[Path]:
    """A folder with a short path, and no folder above it closed to others."""
    folder = Path(tempfile.mkdtemp(prefix="atom-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
