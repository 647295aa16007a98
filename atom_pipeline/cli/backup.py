"""``atom backup`` and ``atom restore``: the database, the lake and the archive, to a folder and back."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from atom_pipeline.cli.console import console

if TYPE_CHECKING:
    from resources.backup import Copied


def backup(
    into: Annotated[Path, typer.Argument(help="Folder of the backups; each is a folder in it, named by its moment.")],
) -> None:
    """Copy the database, then lake and archive. The services may run; best while no day is made.

    What did not change since the backup before takes no room. A backup is whole when it has its name: one that was
    killed ends in .parcial. It holds personal data, and is readable by its owner only.
    """
    from resources.backup import backup as make
    from resources.postgres import database, engine
    from resources.settings import Settings

    settings = Settings.from_env()
    with database(settings) as store:
        connections = engine(store.url)
        done = make(settings, connections, into.expanduser().absolute(), datetime.now())
        connections.dispose()
    _tell(f"backup {done.path}", done)


def restore(
    source: Annotated[Path, typer.Argument(help="One backup: a folder that `atom backup` made.")],
) -> None:
    """Put a backup back, into an empty database and a home without lake and archive; then run `atom verify`.

    The services must be stopped. What was collected and sent after the backup is not in it: see docs/running.md.
    """
    from resources.backup import restore as put_back
    from resources.place import only_one
    from resources.postgres import database, engine
    from resources.settings import Settings

    settings = Settings.from_env()
    settings.prepare()
    with database(settings) as store:
        connections = engine(store.url)
        with only_one(connections):
            done = put_back(settings, connections, source.expanduser().absolute())
        connections.dispose()
    _tell(f"restored to {done.path}", done)
    console.print("next: `atom verify`")


def _tell(what: str, done: Copied) -> None:
    same = f", {done.linked} of them the same as in the backup before" if done.linked else ""
    console.print(
        f"{what}: the database, and {done.files} files{same}; {done.bytes / 2**20:.1f} MiB written",
        markup=False,
        soft_wrap=True,
    )
