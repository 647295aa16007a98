"""The proxy before the UI: TLS, a login on every path, websockets, no caching of what is shown, no foreign pages."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import httpx
import pytest
import uvicorn
from nginx import LOGIN, PASSWORD, USER, Proxy, proxied
from ports import free_port
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect
from websockets.typing import Origin, Subprotocol

PATHS = ["/", "/graphql", "/runs/1", "/logs/a/b", "/download_debug/1", "/server_info", "/_next/static/a.js", "/../x"]


@dataclass
class Upstream:
    """Stands in for the UI: answers everything, and remembers with which headers it was asked."""

    port: int = field(default_factory=free_port)
    asked: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)

    def app(self) -> Starlette:
        async def answer(request: Request) -> JSONResponse:
            self.asked.append((request.method, request.url.path, dict(request.headers)))
            return JSONResponse({"data": "ok"}, headers={"Cache-Control": "public, max-age=3600"})

        async def subscribe(websocket: WebSocket) -> None:
            self.asked.append(("WS", websocket.url.path, dict(websocket.headers)))
            await websocket.accept(subprotocol="graphql-ws")
            await websocket.send_text(await websocket.receive_text())
            await websocket.close()

        methods = ["GET", "POST"]
        return Starlette(routes=[WebSocketRoute("/graphql", subscribe), Route("/{path:path}", answer, methods=methods)])


@pytest.fixture(scope="module")
def upstream() -> Iterator[Upstream]:
    one = Upstream()
    server = uvicorn.Server(
        uvicorn.Config(one.app(), port=one.port, log_level="error", ws="websockets-sansio", lifespan="off")
    )
    thread = threading.Thread(target=server.run)
    thread.start()
    until = time.monotonic() + 20
    while not server.started:
        assert time.monotonic() < until, "the upstream does not start"
        time.sleep(0.01)
    yield one
    server.should_exit = True
    thread.join()


@pytest.fixture(scope="module")
def proxy(upstream: Upstream, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Proxy]:
    with proxied(tmp_path_factory.mktemp("nginx"), upstream.port) as one:
        yield one


@pytest.fixture
def anyone(proxy: Proxy) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=proxy.url, verify=proxy.trust, timeout=20) as client:
        yield client


@pytest.fixture
def ana(proxy: Proxy) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=proxy.url, verify=proxy.trust, timeout=20, auth=LOGIN) as client:
        yield client


def test_without_a_login_every_path_is_refused_and_nothing_reaches_the_ui(
    anyone: httpx.Client, upstream: Upstream
) -> None:
    asked = len(upstream.asked)
    posts = ["/graphql", "/report_asset_materialization/x"]
    wrong = [(USER, "errada"), ("outra", PASSWORD), (USER, "")]
    with ThreadPoolExecutor(20) as pool:  # each refusal takes its second
        answers = [
            *pool.map(anyone.get, PATHS),
            *pool.map(anyone.post, posts),
            *pool.map(lambda login: anyone.get("/graphql", auth=login), wrong),
        ]
    assert {answer.status_code for answer in answers} == {401}
    assert all(answer.headers["WWW-Authenticate"] == 'Basic realm="ATOM"' for answer in answers)
    assert len(upstream.asked) == asked


def test_with_a_login_the_ui_answers_and_never_sees_the_password(ana: httpx.Client, upstream: Upstream) -> None:
    for path in PATHS[:-1]:
        assert ana.get(path).json() == {"data": "ok"}
    assert ana.post("/graphql", json={"query": "{ version }"}).status_code == 200
    headers = upstream.asked[-1][2]
    assert "authorization" not in headers
    assert (headers["x-forwarded-user"], headers["x-forwarded-proto"]) == (USER, "https")
    assert headers["host"] == f"127.0.0.1:{ana.base_url.port}"


def test_http_leads_to_https_and_answers_nothing_itself(proxy: Proxy) -> None:
    answer = httpx.get(f"http://127.0.0.1:{proxy.http}/runs?x=1", follow_redirects=False, auth=LOGIN)
    assert answer.status_code == 301
    assert answer.headers["Location"] == "https://atom.example.org/runs?x=1"


def test_a_websocket_passes_with_a_login_and_only_with_one(proxy: Proxy) -> None:
    ana = {"Authorization": httpx.BasicAuth(*LOGIN)._auth_header}

    def echo(said: str, **options: Any) -> None:
        with connect(proxy.websocket, ssl=proxy.trust, subprotocols=[Subprotocol("graphql-ws")], **options) as one:
            assert one.subprotocol == "graphql-ws"
            one.send(said)
            assert one.recv(timeout=10) == said

    echo("ola", additional_headers=ana)
    echo("da mesma origem", additional_headers=ana, origin=Origin(proxy.url))
    with pytest.raises(InvalidStatus, match="401"):
        echo("sem entrar")
    with pytest.raises(InvalidStatus, match="403"):
        echo("de outra", additional_headers=ana, origin=Origin("https://mal.example"))


def test_another_site_s_page_can_do_nothing_with_the_login_of_who_looks_at_it(ana: httpx.Client, proxy: Proxy) -> None:
    for origin in ("https://mal.example", "null", f"http://127.0.0.1:{proxy.https}", f"{proxy.url}.mal.example"):
        assert ana.post("/graphql", headers={"Origin": origin}).status_code == 403, origin
    assert ana.post("/graphql", headers={"Origin": proxy.url}).status_code == 200
    cross = {"Sec-Fetch-Site": "cross-site"}
    assert ana.get("/graphql?query=mutation", headers=cross).status_code == 403  # an image's address, a link
    assert ana.post("/report_asset_check/x", headers=cross).status_code == 403
    assert ana.get("/runs/1", headers=cross).status_code == 200  # a link to a run, in an alarm's mail
    assert ana.get("/graphql?query=x", headers={"Sec-Fetch-Site": "same-origin"}).status_code == 200


def test_only_the_program_s_own_files_are_kept_by_a_browser(ana: httpx.Client, anyone: httpx.Client) -> None:
    for path in ("/", "/graphql?query=x", "/logs/a", "/_next/data/x.json"):
        assert ana.get(path).headers.get_list("Cache-Control") == ["no-store"]
    kept = ana.get("/_next/static/chunks/a-1f.js").headers.get_list("Cache-Control")
    assert kept == ["private, max-age=31536000, immutable"]
    assert anyone.get("/").headers["Cache-Control"] == "no-store"


def test_every_answer_has_its_security_headers(ana: httpx.Client, anyone: httpx.Client) -> None:
    for answer in (ana.get("/"), ana.post("/graphql"), anyone.get("/")):
        headers = answer.headers
        assert headers["Strict-Transport-Security"].startswith("max-age=")
        assert headers["X-Frame-Options"] == "DENY"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert headers["Content-Security-Policy"] == "frame-ancestors 'none'"
        assert headers["Referrer-Policy"] == "same-origin"
        assert "/" not in headers["Server"]  # no version


def test_old_tls_is_refused(proxy: Proxy) -> None:
    import ssl
    import warnings

    old = ssl.create_default_context()
    old.check_hostname, old.verify_mode = False, ssl.CERT_NONE
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1
    with (
        socket.create_connection(("127.0.0.1", proxy.https)) as plain,
        pytest.raises(ssl.SSLError),
        old.wrap_socket(plain),
    ):
        raise AssertionError("TLS 1.1 was accepted")


def test_a_refusal_takes_a_second_and_an_address_has_only_so_many_requests(ana: httpx.Client, proxy: Proxy) -> None:
    """Last: it uses up what this address may ask, with or without a login."""
    started = time.monotonic()
    assert httpx.get(proxy.url, verify=proxy.trust, auth=(USER, "errada")).status_code == 401
    assert time.monotonic() - started > 0.9
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: ana.get("/").status_code, range(400)))
    assert answers[:100] == [200] * 100  # a page with all its files
    assert set(answers) == {200, 429}
