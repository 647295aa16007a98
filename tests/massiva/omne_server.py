"""A server on loopback that speaks OMNE's interface, validates each request against it, and can fail in every way.

What it does with a request is told beforehand by a script of behaviours; it counts what it got and what it accepted.
In a thread of its own, over asyncio streams: it has to hang and to close connections, which a framework hides.
"""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

PATH = "/interactive/whatsapp/hsm/message"
TOKEN = "um-segredo-de-teste"
FIELDS = {"templateId": int, "number": str, "parameters": list, "openAttendance": bool, "forceClose": bool}

Message = tuple[str, int]  # number, template


@dataclass(frozen=True)
class Behaviour:
    """What the server does with one valid request. ``accepts``: it takes the message before anything else."""

    name: str
    accepts: bool = False
    status: int | None = None  # None: no answer
    body: dict[str, Any] | str = field(default_factory=dict)  # text is sent as it is
    headers: tuple[tuple[str, str], ...] = ()
    hang: bool = False  # keep the connection and say nothing
    cut: bool = False  # close in the middle of the answer's body


ACCEPT = Behaviour("accept", accepts=True, status=200, body={"message": "enfileirado"})
REFUSE = Behaviour("refuse", status=400, body={"message": "número não tem WhatsApp"})
UNAUTHORIZED = Behaviour("unauthorized", status=401, body={"message": "token inválido"})
FAIL = Behaviour("fail", status=500, body={"message": "erro interno"})
GATEWAY = Behaviour("gateway", accepts=True, status=504, body={"message": "gateway timeout"})
HANG_ACCEPTED = Behaviour("hang after accepting", accepts=True, hang=True)
HANG_LOST = Behaviour("hang without accepting", hang=True)
CLOSE_ACCEPTED = Behaviour("close after accepting", accepts=True)
CLOSE_LOST = Behaviour("close without accepting")
CUT_ACCEPTED = Behaviour("accept, answer cut", accepts=True, status=200, body={"message": "enfileirado"}, cut=True)


def too_many(seconds: float | str) -> Behaviour:
    return Behaviour("too many", status=429, body={"message": "devagar"}, headers=(("Retry-After", str(seconds)),))


class OmneServer:
    """Counts requests; ``accepted`` counts each (number, template) that it took, in order in ``taken``."""

    def __init__(self) -> None:
        self.url = ""
        self.requests = 0
        self.invalid: list[str] = []
        self.accepted: Counter[Message] = Counter()
        self.taken: list[dict[str, Any]] = []
        self.refused: Counter[Message] = Counter()
        self.at_once, self.most_at_once, self.hanging = 0, 0, 0
        self.keeps_bodies = True
        self.delay = 0.0
        self.default = ACCEPT
        self.script: deque[Behaviour] = deque()
        self.decide: Callable[[dict[str, Any]], Behaviour] | None = None
        self.before: Callable[[dict[str, Any]], None] | None = None  # called as soon as a valid request is read
        self.after: Callable[[dict[str, Any]], None] | None = None  # called after accepting, before answering
        self._open: set[asyncio.StreamWriter] = set()

    def behaves(self, *behaviours: Behaviour) -> None:
        """What the next requests meet, in order; later ones meet ``default``."""
        self.script.extend(behaviours)

    @property
    def twice(self) -> dict[Message, int]:
        """What was accepted more than once: must be empty."""
        return {message: count for message, count in self.accepted.items() if count > 1}

    def wait_until_idle(self, seconds: float = 10.0) -> None:
        """Until nothing arrives any more and no request is being answered, hanging ones aside."""
        deadline, seen, since = time.monotonic() + seconds, -1, 0.0
        while time.monotonic() < deadline:
            if self.requests != seen or self.at_once > self.hanging:
                seen, since = self.requests, time.monotonic()
            elif time.monotonic() - since > 0.05:
                return
            time.sleep(0.005)

    # One connection.

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            while (request := await _read(reader)) is not None:
                self.at_once += 1
                self.most_at_once = max(self.most_at_once, self.at_once)
                try:
                    stays = await self._answer(writer, *request)
                finally:
                    self.at_once -= 1
                if not stays:
                    break
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            self._open.discard(writer)
            writer.close()

    async def _answer(self, writer: asyncio.StreamWriter, line: str, headers: dict[str, str], body: bytes) -> bool:
        self.requests += 1
        fault = _fault(line, headers, body)
        if fault is not None:
            self.invalid.append(fault)
            await _send(writer, 422, {"message": fault}, ())
            return True
        message = json.loads(body)
        if self.before is not None:
            self.before(message)
        chosen = self.decide(message) if self.decide else self.script.popleft() if self.script else self.default
        key = (message["number"], message["templateId"])
        if self.delay:
            await asyncio.sleep(self.delay)
        if chosen.accepts:
            self.accepted[key] += 1
            if self.keeps_bodies:
                self.taken.append(message)
            if self.after is not None:
                self.after(message)
        elif chosen.status == 400:
            self.refused[key] += 1
        if chosen.hang:
            self.hanging += 1
            try:
                await asyncio.sleep(3600)
            finally:
                self.hanging -= 1
        if chosen.status is None:
            return False
        await _send(writer, chosen.status, chosen.body, chosen.headers, cut=chosen.cut)
        return not chosen.cut

    def drop_connections(self) -> None:
        for writer in list(self._open):
            writer.transport.abort()


async def _read(reader: asyncio.StreamReader) -> tuple[str, dict[str, str], bytes] | None:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError:
        return None
    line, *rest = head.decode("latin-1").rstrip("\r\n").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (one.partition(":") for one in rest)}
    return line, headers, await reader.readexactly(int(headers.get("content-length", "0")))


def _fault(line: str, headers: dict[str, str], body: bytes) -> str | None:
    """What in a request is not as the interface has it."""
    if line != f"POST {PATH} HTTP/1.1":
        return f"not the endpoint: {line}"
    if headers.get("authorization") != f"Bearer {TOKEN}":
        return "not the token"
    if headers.get("content-type") != "application/json":
        return "not JSON"
    message = json.loads(body)
    if set(message) != set(FIELDS):
        return f"other fields: {sorted(message)}"
    wrong = [name for name, kind in FIELDS.items() if type(message[name]) is not kind]
    if wrong:
        return f"other types: {wrong}"
    number = message["number"]
    if not (number.isdigit() and len(number) == 11 and number[2] == "9"):
        return "not a mobile number with its area code"
    if len(message["parameters"]) != 1 or not isinstance(message["parameters"][0], str) or not message["parameters"][0]:
        return "not one parameter"
    return None


async def _send(
    writer: asyncio.StreamWriter,
    status: int,
    body: dict[str, Any] | str,
    headers: tuple[tuple[str, str], ...],
    *,
    cut: bool = False,
) -> None:
    content = (body if isinstance(body, str) else json.dumps(body)).encode()
    more = "".join(f"{name}: {value}\r\n" for name, value in headers)
    head = f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\nContent-Length: {len(content)}\r\n{more}\r\n"
    writer.write(head.encode() + (content[:3] if cut else content))
    await writer.drain()


@contextmanager
def omne_server() -> Iterator[OmneServer]:
    """The server, listening on a free port until the block ends."""
    server = OmneServer()
    ready = threading.Event()
    stop: list[tuple[asyncio.AbstractEventLoop, asyncio.Event]] = []

    async def listen() -> None:
        ended = asyncio.Event()
        stop.append((asyncio.get_running_loop(), ended))
        listener = await asyncio.start_server(server.serve, "127.0.0.1", 0, backlog=512)
        server.url = f"http://127.0.0.1:{listener.sockets[0].getsockname()[1]}"
        ready.set()
        await ended.wait()
        listener.close()
        server.drop_connections()

    thread = threading.Thread(target=lambda: asyncio.run(listen()), daemon=True)
    thread.start()
    assert ready.wait(10)
    try:
        yield server
    finally:
        loop, ended = stop[0]
        loop.call_soon_threadsafe(ended.set)
        thread.join(10)
