"""Where alarms arrive in tests: an HTTP server on loopback that does what a test says, and keeps what it got."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

SECRET = "T0K3N-of-the-webhook"  # a webhook's address is one


@dataclass
class Receiver:
    """``answers`` are used in turn, the last one for good; a callable gets the handler and does as it likes."""

    url: str = ""
    answers: list[int | Callable[[BaseHTTPRequestHandler], object]] = field(default_factory=lambda: [200])
    got: list[tuple[dict[str, str], dict[str, Any]]] = field(default_factory=list)  # headers, body


@contextmanager
def http_receiver() -> Iterator[Receiver]:
    state = Receiver()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"]))
            state.got.append((dict(self.headers), json.loads(body)))
            answer = state.answers.pop(0) if len(state.answers) > 1 else state.answers[0]
            if callable(answer):
                answer(self)
                return
            self.send_response(answer)
            if answer == 302:
                self.send_header("Location", "/elsewhere")
            if answer == 429:
                self.send_header("Retry-After", "600")
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing on the terminal."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_port}/services/{SECRET}"
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
