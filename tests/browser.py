"""Pages as people see them: Debian's Chromium without a window, by Playwright.

The fixture ``browser`` is one Chromium for the session. ``browser.open(url)`` gives a :class:`View`, of which a test
asks what it wants to know: ``ask`` evaluates JavaScript, ``do`` has all of Playwright's page, ``errors`` are what the
console says, ``outside`` what the page asked of the network, ``faults_of_access`` what axe-core finds.

Playwright lives in a thread of its own: its loop would be in the way of every ``asyncio.run`` of the tests' thread.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

import pytest

if TYPE_CHECKING:
    from playwright.sync_api import Browser as Chromium
    from playwright.sync_api import ConsoleMessage, Page, Playwright, Request

T = TypeVar("T")

PHONE = (360, 740)  # CSS pixels, width and height
DESKTOP = (1280, 900)
ARGUMENTS = (
    "--no-sandbox",  # the tests may run as root
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost",  # this machine alone is reached
)


def _near(url: str) -> bool:
    """Whether an address is of this machine: a file, data in the page, or loopback."""
    parts = urlsplit(url)
    return parts.scheme in {"file", "data", "blob", "about"} or parts.hostname in {"127.0.0.1", "localhost", "::1"}


@dataclass(frozen=True)
class View:
    """One open page."""

    _page: Page
    _thread: ThreadPoolExecutor
    errors: list[str] = field(default_factory=list)  # console errors and uncaught exceptions
    outside: list[str] = field(default_factory=list)  # addresses of other machines that it asked for; none was answered

    def do(self, act: Callable[[Page], T]) -> T:
        """What ``act`` makes of Playwright's page, e.g. ``view.do(lambda page: page.locator("h1").inner_text())``."""
        return self._thread.submit(act, self._page).result()

    def ask(self, expression: str, argument: object = None) -> Any:
        """The value of a JavaScript expression, or of a function of ``argument``."""
        return self.do(lambda page: page.evaluate(expression, argument))

    def wait_for(self, selector: str, seconds: float = 60) -> None:
        """Wait until an element is visible: a page that is made by JavaScript is not there when it is loaded."""
        self.do(lambda page: page.locator(selector).first.wait_for(timeout=seconds * 1000))

    def texts(self, selector: str) -> list[str]:
        """The visible text of every element of a CSS selector, in order."""
        return self.do(lambda page: page.locator(selector).all_inner_texts())

    def resize(self, size: tuple[int, int]) -> None:
        self.do(lambda page: page.set_viewport_size({"width": size[0], "height": size[1]}))

    def for_print(self) -> None:
        """Show it as it is printed."""
        self.do(lambda page: page.emulate_media(media="print"))

    def dark(self) -> None:
        """Show it to a person who prefers dark colours."""
        self.do(lambda page: page.emulate_media(color_scheme="dark"))

    def overflow(self) -> int:
        """How many CSS pixels the page as a whole scrolls sideways."""
        return int(self.ask("document.documentElement.scrollWidth - document.documentElement.clientWidth"))

    def faults_of_access(self) -> list[str]:
        """What axe-core finds wrong for people who read with other means, contrast included: rule, what, where."""
        from axe_playwright_python.sync_playwright import Axe

        found = self.do(lambda page: Axe().run(page))
        return [
            f"{fault['id']}: {fault['help']}: {node['html'][:160]}"
            for fault in found.response["violations"]
            for node in fault["nodes"][:3]
        ]

    def screenshot(self, path: Path, *, whole: bool = True) -> None:
        """A PNG of the page, of all of it or of what fits the screen."""
        self.do(lambda page: page.screenshot(path=path, full_page=whole))


class Browser:
    """One Chromium. Every page has a profile of its own, empty and gone with it, and reaches this machine alone."""

    def __init__(self, executable: str) -> None:
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="chromium")
        self._playwright, self._chromium = self._thread.submit(_start, executable).result()

    @contextmanager
    def open(self, url: str | Path, size: tuple[int, int] = DESKTOP) -> Iterator[View]:
        """A page of that address, or file, once it is loaded."""
        from playwright.sync_api import ViewportSize

        address = url.resolve().as_uri() if isinstance(url, Path) else url
        viewport = ViewportSize(width=size[0], height=size[1])
        page = self._thread.submit(lambda: self._chromium.new_page(viewport=viewport)).result()
        view = View(page, self._thread)
        try:
            view.do(lambda page: _watch(page, view))
            view.do(lambda page: page.goto(address))
            yield view
        finally:
            view.do(lambda page: page.close())

    def close(self) -> None:
        for end in (self._chromium.close, self._playwright.stop):
            self._thread.submit(end).result()
        self._thread.shutdown()


def _start(executable: str) -> tuple[Playwright, Chromium]:
    from playwright.sync_api import sync_playwright

    playwright = sync_playwright().start()
    return playwright, playwright.chromium.launch(executable_path=executable, headless=True, args=ARGUMENTS)


def _watch(page: Page, view: View) -> None:
    def asked(request: Request) -> None:
        if not _near(request.url):
            view.outside.append(request.url)

    def said(message: ConsoleMessage) -> None:
        if message.type == "error":
            view.errors.append(message.text)

    page.on("request", asked)
    page.on("console", said)
    page.on("pageerror", lambda error: view.errors.append(str(error)))


@contextmanager
def chromium() -> Iterator[Browser]:
    """A running browser. Without Chromium the test is skipped, and fails where CI is set."""
    executable = shutil.which("chromium")
    if executable is None:
        (pytest.fail if os.environ.get("CI") else pytest.skip)("chromium is not installed: run tests/system-packages")
    browser = Browser(executable)
    try:
        yield browser
    finally:
        browser.close()
