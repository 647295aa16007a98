"""The tests' own browser sees what is wrong with a page."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from browser import DESKTOP, PHONE, Browser, chromium

PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Page</title>
<meta name="viewport" content="width=device-width">
<style>body {{ color-scheme: light dark }} @media print {{ nav {{ display: none }} }}</style></head>
<body><main><h1>Title</h1><nav>menu</nav>{}</main></body></html>"""


@pytest.fixture
def page(tmp_path: Path) -> Path:
    path = tmp_path / "page.html"
    path.write_text(PAGE.format('<div style="width: 500px">wide</div>'))
    return path


def test_a_page_is_measured_at_a_size_and_in_print(browser: Browser, page: Path) -> None:
    with browser.open(page, DESKTOP) as view:
        assert view.texts("h1") == ["Title"]
        assert view.overflow() == 0
        view.resize(PHONE)
        assert view.overflow() > 100
        assert view.ask("matchMedia('(prefers-color-scheme: dark)').matches") is False
        view.dark()
        assert view.ask("matchMedia('(prefers-color-scheme: dark)').matches") is True
        view.for_print()
        assert view.do(lambda page: page.locator("nav").is_visible()) is False
        assert (view.errors, view.outside, view.faults_of_access()) == ([], [], [])


def test_what_is_wrong_with_a_page_is_told(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "wrong.html"
    path.write_text(
        PAGE.format(
            '<p style="color: #ccc; background: #fff">pale</p><img src="https://example.org/picture.png" alt="">'
            "<script>console.error('first'); throw new Error('second')</script>"
        )
    )
    with browser.open(path) as view:
        assert {"first", "second"} <= {*view.errors}
        assert view.outside == ["https://example.org/picture.png"]
        assert [fault.split(":")[0] for fault in view.faults_of_access()] == ["color-contrast"]


def test_a_page_becomes_a_picture(browser: Browser, page: Path, tmp_path: Path) -> None:
    picture = tmp_path / "page.png"
    with browser.open(page, PHONE) as view:
        view.screenshot(picture)
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_the_browser_leaves_the_tests_thread_its_own_loops(browser: Browser, page: Path) -> None:
    with browser.open(page):
        assert asyncio.run(asyncio.sleep(0, "ran")) == "ran"


@pytest.mark.parametrize(("ci", "outcome"), [("", pytest.skip.Exception), ("true", pytest.fail.Exception)])
def test_without_chromium_a_test_is_skipped_and_fails_where_ci_is_set(
    ci: str, outcome: type[BaseException], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("CI", ci)
    with pytest.raises(outcome, match="tests/system-packages"), chromium():
        pass
