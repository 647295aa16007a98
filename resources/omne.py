"""OMNE's HTTP interface: one WhatsApp template message, sent once, and what the answer means (UC014).

Only speaking HTTP belongs here: no attempt is ever repeated, no record kept. What an answer means is in
``atom_pipeline.massiva.answers``; when there is none, this module says whether the request may have arrived.
"""

from __future__ import annotations

import asyncio
import json
import re
import ssl
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self

import httpx

from atom_pipeline.errors import AtomError
from atom_pipeline.masking import HIDDEN, scrub
from atom_pipeline.massiva.answers import answer_of_status, retry_after
from atom_pipeline.massiva.states import Answer, Fate
from atom_pipeline.portfolio import Massivas
from resources.omne_settings import OmneAccess

PATH = "/interactive/whatsapp/hsm/message"
MOST_WORDS = 300  # characters of an answer that are kept
_MOST_BYTES = 8192  # of an answer that are read
_CONNECT_SECONDS = 5.0
_IDLE_SECONDS = 2.0  # an idle connection is dropped before a server is likely to drop it under a request
_SAYS = ("message", "mensagem", "error", "erro", "detail", "description", "title", "errors")
# Nothing of the request had left when these were raised.
_NEVER_LEFT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError)


class OmneDown(AtomError):
    """OMNE failed so often that sending stopped; it goes on where it was with the next run."""

    retry_helps = True


class OmneRefusesUs(AtomError):
    """OMNE takes nothing from us: the token, the address or the template is wrong. A person has to see to it."""


@dataclass(frozen=True)
class Hsm:
    """One template message. ``repr`` shows neither number nor name."""

    template: int
    number: str = field(repr=False)
    parameters: tuple[str, ...] = field(repr=False)
    open_attendance: bool = False
    force_close: bool = False

    @classmethod
    def of_row(cls, row: Mapping[str, Any], massivas: Massivas) -> Self:
        """The message of a row (``atom_pipeline.massiva.rows.PEDIDOS``). WhatsApp takes no line break in a name."""
        return cls(
            row["template"],
            row["numero"],
            (" ".join(row["nome"].split()),),
            massivas.open_attendance,
            massivas.force_close,
        )

    def body(self) -> dict[str, Any]:
        """The request's body, as the specification has it."""
        return {
            "templateId": self.template,
            "number": self.number,
            "parameters": list(self.parameters),
            "openAttendance": self.open_attendance,
            "forceClose": self.force_close,
        }


class Omne:
    """A client for one run. Use it as an asynchronous context."""

    def __init__(self, access: OmneAccess, massivas: Massivas) -> None:
        """Raises OmneMisconfigured when the environment lacks something."""
        self._massivas = massivas
        self._url, self._token = access.checked()
        self._access = access
        self._idle: list[httpx.AsyncClient] = []
        self._opened = AsyncExitStack()

    async def __aenter__(self) -> Self:
        context = ssl.create_default_context(cafile=str(self._access.ca) if self._access.ca else None)
        seconds = self._massivas.timeout_seconds
        for _ in range(self._massivas.concurrency):
            # One connection each: a shared pool looks through all its connections at every request.
            client = httpx.AsyncClient(
                headers={"Authorization": f"Bearer {self._token}", "Accept": "application/json"},
                timeout=httpx.Timeout(seconds, connect=min(seconds, _CONNECT_SECONDS)),
                limits=httpx.Limits(max_connections=1, keepalive_expiry=_IDLE_SECONDS),
                follow_redirects=False,
                verify=context,
            )
            self._idle.append(await self._opened.enter_async_context(client))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self._opened.aclose()

    async def send(self, hsm: Hsm) -> Answer:
        """Send one message, once. Raises nothing that a server or a network can cause: that is an answer too.

        No more than ``concurrency`` at a time; raises IndexError for one more.
        """
        client = self._idle.pop()
        try:
            return await self._send(client, hsm)
        finally:
            self._idle.append(client)

    async def _send(self, client: httpx.AsyncClient, hsm: Hsm) -> Answer:
        response: httpx.Response | None = None
        body = b""
        try:
            async with asyncio.timeout(self._massivas.timeout_seconds):
                request = client.build_request("POST", f"{self._url}{PATH}", json=hsm.body())
                response = await client.send(request, stream=True)
                body = await _read(response)
        except (httpx.HTTPError, TimeoutError) as error:
            if response is None:
                return _no_answer(error)
            # The status came, and it decides; what is missing is the rest of the words.
        finally:
            if response is not None:
                await response.aclose()
        wait = retry_after(response.headers.get("retry-after"), datetime.now(UTC))
        return answer_of_status(
            response.status_code, _words(response.status_code, body, hsm), self._massivas.retry, wait
        )


async def _read(response: httpx.Response) -> bytes:
    """The first bytes of an answer: a server is free to send more, and we to leave it."""
    body = b""
    async for part in response.aiter_bytes():
        body += part
        if len(body) >= _MOST_BYTES:
            break
    return body[:_MOST_BYTES]


def _no_answer(error: Exception) -> Answer:
    """What is known when no status came: nothing, unless the request cannot have left."""
    name = type(error).__name__
    if isinstance(error, _NEVER_LEFT):
        return Answer(Fate.RETRY, f"sem conexão com o OMNE ({name})")
    if isinstance(error, httpx.UnsupportedProtocol | httpx.LocalProtocolError):
        return Answer(Fate.STOP, f"a requisição não pôde ser feita ({name})")
    return Answer(Fate.UNKNOWN, f"sem resposta do OMNE ({name})")


def _words(status: int, body: bytes, hsm: Hsm) -> str:
    """OMNE's own words, short, without the person's number and name and whatever else looks personal."""
    text = _said(body.decode("utf-8", "replace")).strip()
    for value in (hsm.number, *hsm.parameters):
        text = re.sub(re.escape(value), HIDDEN, text, flags=re.IGNORECASE) if value else text
    # No line breaks, and nothing that a database's text cannot hold: a NUL, half of a surrogate pair.
    text = "".join(letter if letter.isprintable() else " " for letter in scrub(text))
    text = " ".join(text.split())
    return f"{status} {text[:MOST_WORDS]}".strip()


def _said(text: str) -> str:
    """What an answer says to people: the field of a JSON object that is meant for them, else all of it."""
    try:
        answer = json.loads(text)
    except (ValueError, RecursionError):  # no JSON, or lists in lists without end
        return text
    if isinstance(answer, dict):
        said = [answer[name] for name in _SAYS if answer.get(name)]
        return "; ".join(one if isinstance(one, str) else json.dumps(one, ensure_ascii=False) for one in said)
    return text if isinstance(answer, list) else str(answer)
