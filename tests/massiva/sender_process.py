"""Processes that send a day's messages and are killed (SIGKILL, by themselves) at a boundary.

``senders`` starts a process that has imported everything and does nothing but fork: a child of it sends as a process of
its own, without the seconds of its start, and its end is a real one.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import traceback
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from massiva.massiva_house import DAY, massiva_house
from massiva.omne_server import TOKEN

from resources.ledger_massiva import LedgerMassiva
from resources.massiva_sending import send_massivas
from resources.omne import Omne

BOUNDARIES = (
    "before the intent",
    "after the intent",
    "before the answer is recorded",
    "after the answer is recorded",
    "during the request",
)


def kill_at(boundary: str, passes: int) -> None:
    """Make this process end itself, as a power cut would, at the n-th pass of a boundary."""
    left = [passes]

    def passed() -> None:
        left[0] -= 1
        if left[0] <= 0:
            os.kill(os.getpid(), signal.SIGKILL)

    def around(before: bool, function: Callable[..., Any]) -> Callable[..., Any]:
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            if before:
                passed()
            result = function(*args, **kwargs)
            if not before:
                passed()
            return result

        return wrapped

    if boundary == "during the request":
        send = Omne.send

        async def sent(self: Omne, hsm: Any) -> Any:
            answer: Awaitable[Any] = send(self, hsm)
            found = await answer
            passed()
            return found

        Omne.send = sent  # type: ignore[method-assign]
        return
    name = "claim_messages" if "intent" in boundary else "record_answers"
    original = getattr(LedgerMassiva, name)

    def counted(self: Any, rows: Any, *args: Any, **kwargs: Any) -> Any:
        if not rows:
            return original(self, rows, *args, **kwargs)
        return around(boundary.startswith("before"), original)(self, rows, *args, **kwargs)

    setattr(LedgerMassiva, name, counted)


Start = Callable[..., int]


@contextmanager
def senders() -> Iterator[Start]:
    """``start(home, postgres_url, omne_url, boundary, passes)`` gives a child's exit code, negative after a signal."""
    root = Path(__file__).resolve().parents[2]
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(root), str(root / "tests")])}
    with subprocess.Popen(
        [sys.executable, __file__], env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:  # its end closes the pipes, at which it ends too

        def start(home: Path, postgres_url: str, omne_url: str, boundary: str = "", passes: int = 1) -> int:
            assert process.stdin is not None and process.stdout is not None
            process.stdin.write(json.dumps([str(home), postgres_url, omne_url, boundary, passes]) + "\n")
            process.stdin.flush()
            return int(process.stdout.readline())

        yield start


def child(home: str, postgres_url: str, omne_url: str, boundary: str, passes: int) -> None:
    """Send a day's messages, in a process that ends with it."""
    try:
        if boundary:
            kill_at(boundary, passes)
        with massiva_house(Path(home), postgres_url, omne_url, TOKEN) as house:
            send_massivas(house.runtime, DAY)
        os._exit(0)
    except BaseException:
        traceback.print_exc()
        os._exit(1)


def main() -> None:
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            child(*json.loads(line))
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    main()
