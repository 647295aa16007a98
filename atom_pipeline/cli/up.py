"""``atom up``: PostgreSQL if it is needed, Dagster's UI and daemon, until Ctrl-C; or one of the two as a service.

One code server holds the definitions for both (left to themselves each has its own, and the daemon's loads everything
again every minute). It is the parent of the runs, so it is stopped last: runs under way end first.
"""

from __future__ import annotations

import os
import socket
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from atom_pipeline.cli.console import console
from atom_pipeline.cli.services import Role, Service, Services, Stopping, installation
from atom_pipeline.errors import AtomError

if TYPE_CHECKING:
    from resources.settings import Settings

DAGSTER = [sys.executable, "-m"]
LONGEST_SOCKET = 100  # bytes of a Unix socket's path; what systems allow is a little more
_BETWEEN_LOOKS = 5.0  # seconds between two looks at the daemon's place


def up(
    host: Annotated[
        str, typer.Option(help="Address of the UI. It has no login: keep it behind a proxy.")
    ] = "127.0.0.1",
    port: Annotated[int, typer.Option(help="Port of the UI.")] = 3000,
    only: Annotated[Role | None, typer.Option(help="Only the daemon, or only the UI: services of their own.")] = None,
) -> None:
    """Start PostgreSQL if needed, the Dagster UI and the daemon; Ctrl-C stops them.

    What an earlier stop left unfinished is put right first. Runs under way are finished before it ends; a second
    Ctrl-C ends them too. Exit 1 when one of the processes ended by itself.
    """
    from atom_pipeline.layout.catalogue import load_catalogues
    from resources.instance import environment
    from resources.postgres import database
    from resources.settings import PROJECT_ROOT, Settings, without_secrets

    settings = Settings.from_env()
    load_catalogues(settings.layouts)  # what is wrong with the documents is told here, before anything is started
    settings.prepare()
    roles = tuple(Role) if only is None else (only,)
    if Role.UI in roles:
        _refuse_taken_port(host, port)
    with Stopping() as stopping, database(settings) as store, ExitStack() as held:
        os.environ.update(environment(settings, store.url))
        installed = installation(settings.home, without_secrets(store.url))
        looks: dict[Callable[[], None], float] = {}
        if Role.DAEMON in roles:
            looks[held.enter_context(the_only_daemon(settings, store.url, installed))] = _BETWEEN_LOOKS
        console.print(f"home     {settings.home}", markup=False, soft_wrap=True)
        services = services_of(roles, settings, host, port)
        started = partial(_tell_started, roles, f"http://{host}:{port}")
        Services(services, installed, cwd=PROJECT_ROOT, stopping=stopping).run(started, looks)
        console.print("stopped")


@contextmanager
def the_only_daemon(settings: Settings, url: str, installed: str) -> Iterator[Callable[[], None]]:
    """Take the database's place for a daemon, bring the tables up to date, put right what an earlier stop left.

    Gives what makes sure, every now and then, that the place is still ours.
    """
    from atom_pipeline.cli.recovery import recover
    from resources.ledger import migrate
    from resources.place import only_one
    from resources.postgres import engine

    connections = engine(url)
    try:
        with only_one(connections) as place:
            migrate(connections)
            for line in recover(settings, installed).lines():
                console.print(line, soft_wrap=True)
            yield place.look
    finally:
        connections.dispose()


def services_of(roles: tuple[Role, ...], settings: Settings, host: str, port: int) -> list[Service]:
    """The processes of these roles, in the order in which they are started."""
    import yaml

    from resources.instance import dagster_home

    owner = Role.DAEMON if Role.DAEMON in roles else Role.UI
    name = "code" if owner is Role.DAEMON else f"code-ui-{port}"
    sock, workspace = _socket(dagster_home(settings), name), dagster_home(settings) / f"{name}.yaml"
    origin = _origin()
    workspace.write_text(
        yaml.safe_dump(
            {"load_from": [{"grpc_server": {"socket": str(sock), "location_name": origin["location_name"]}}]}
        )
    )
    code = ["dagster", "api", "grpc", "--socket", str(sock), "--log-level", "warning"]
    for option, value in origin.items():
        code += [f"--{option.replace('_', '-')}", value]
    services = [
        Service("code server", owner, [*DAGSTER, *code], ready=partial(_answers_at, sock), makes_runs=True),
    ]
    if Role.DAEMON in roles:
        services.append(Service("daemon", Role.DAEMON, [*DAGSTER, "dagster._daemon", "run", "-w", str(workspace)]))
    if Role.UI in roles:
        web = ["dagster_webserver", "-w", str(workspace), "-h", host, "-p", str(port)]
        services.append(Service("webserver", Role.UI, [*DAGSTER, *web], ready=partial(_serves, host, port)))
    return services


def _origin() -> dict[str, str]:
    """Where the definitions are, as the options of a code server: what workspace.yaml says."""
    import yaml

    from resources.settings import PROJECT_ROOT

    document = yaml.safe_load((PROJECT_ROOT / "workspace.yaml").read_text(encoding="utf-8"))
    location = dict(document["load_from"][0]["python_file"])
    return {
        "python_file": str(PROJECT_ROOT / location["relative_path"]),
        "working_directory": str(PROJECT_ROOT / location["working_directory"]),
        "attribute": location["attribute"],
        "location_name": location["location_name"],
    }


def _socket(folder: Path, name: str) -> Path:
    """Where a code server listens: for this user alone, and where the UI's process and the daemon's find it."""
    path = folder / f"{name}.sock"
    if len(os.fsencode(path)) > LONGEST_SOCKET:
        short = Path(tempfile.gettempdir()) / f"atom-{os.geteuid()}-{installation(folder, '')}"
        short.mkdir(mode=0o700, exist_ok=True)
        if short.lstat().st_uid != os.geteuid() or stat.S_IMODE(short.lstat().st_mode) != 0o700:
            raise AtomError(f"{short} is not ours alone: remove it, or set ATOM_HOME to a shorter path")
        path = short / f"{name}.sock"
    else:
        folder.chmod(0o700)
    path.unlink(missing_ok=True)  # of a killed one: the daemon's place, or the UI's port, is ours
    return path


def _answers_at(path: Path) -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        return probe.connect_ex(str(path)) == 0


def _serves(host: str, port: int) -> bool:
    from urllib.error import URLError
    from urllib.request import urlopen

    address = "127.0.0.1" if host in {"0.0.0.0", "::"} else host
    try:
        with urlopen(f"http://{address}:{port}/server_info", timeout=5):
            return True
    except (URLError, OSError):
        return False


def _tell_started(roles: tuple[Role, ...], url: str) -> None:
    what = f"UI       {url}" if Role.UI in roles else "the daemon is at work"
    console.print(f"{what}  (Ctrl-C stops it)", soft_wrap=True)


def _refuse_taken_port(host: str, port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            raise AtomError(f"port {port} is taken: stop what uses it, or choose another with --port") from None
