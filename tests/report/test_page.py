"""The report's page: its numbers, what it never lets through, and how it is read on a desk, a phone and paper."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest
from browser import DESKTOP, PHONE, Browser
from reported_days import DAY, hard, quiet

from atom_pipeline.portfolio import Report
from atom_pipeline.report.facts import Facts, Mailing
from atom_pipeline.report.findings import findings
from atom_pipeline.report.numbers import decimal, integer, percent, signed
from atom_pipeline.report.page import flow, report_page, score_bands, summary

PAPER = (703, 1000)  # A4 within its margins, in CSS pixels


def page(facts: Facts) -> str:
    return report_page(facts, findings(facts, Report()))


def first() -> Facts:
    return quiet(history=(), layouts_before={})


def nothing() -> Facts:
    return Facts("Banco de teste", DAY, made=False, complete=False)


DAYS = {"usual": quiet, "hard": hard, "first": first, "nothing": nothing}


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("pages")
    out = {}
    for name, facts in DAYS.items():
        out[name] = folder / f"{name}.html"
        out[name].write_text(page(facts()), encoding="utf-8")
    return out


def test_numbers_are_written_as_in_brazil() -> None:
    assert (integer(1234567), decimal(1234.56), percent(0.1234)) == ("1.234.567", "1.234,6", "12,3\u00a0%")
    assert [signed(value) for value in (1500, -3, 0)] == ["+1.500", "−3", "0"]


def test_the_flow_ends_where_the_day_does() -> None:
    facts = quiet()
    moved = flow(facts.transitions)
    assert facts.previous is not None and facts.totals is not None
    change = moved.entered + moved.returned + moved.released - moved.blocked - moved.retired - moved.closed
    assert facts.previous.active + change == facts.totals.active


def test_scores_are_told_in_bands_that_lose_none() -> None:
    assert score_bands({None: 4, 0: 1, 19: 2, 20: 3, 100: 5}) == {
        "0 a 19": 3,
        "20 a 39": 3,
        "40 a 59": 0,
        "60 a 79": 0,
        "80 a 100": 5,
        "sem nota": 4,
    }
    assert sum(score_bands({999: 1, 1000: 2, 1: 4}).values()) == 7
    assert score_bands({}) == {}


def test_the_same_facts_give_the_same_page() -> None:
    assert page(hard()) == page(hard())


def test_what_a_file_says_is_text_and_never_markup() -> None:
    facts = hard()
    assert "&lt;conferir&gt;" in page(facts) and "<conferir>" not in page(facts)
    faixa = quiet(mailing=Mailing((("<b>&$x$", 3, 2),), {1: 2}))
    assert "<b>&" not in page(faixa)
    assert "<conferir>" not in summary(facts, findings(facts, Report()))


def test_fewer_than_five_findings_are_told_as_such() -> None:
    assert "Nada fora do usual: 0 pontos de 5 possíveis." in page(quiet())
    assert "Sem dias anteriores" in page(first())
    many = replace(hard(), files=tuple(replace(file, status="RECUSADO") for file in hard().files * 2))
    assert re.search(r"E mais \d+, de menor peso", page(many))


def test_a_page_asks_for_nothing_and_names_each_picture_once(pages: dict[str, Path]) -> None:
    for path in pages.values():
        text = path.read_text(encoding="utf-8")
        assert "<script" not in text and "<metadata" not in text
        names = re.findall(r'\bid="([^"]+)"', text)
        assert len(names) == len(set(names))
        assert set(re.findall(r'(?:xlink:href="#|url\(#)([^")]+)', text)) <= set(names)


@pytest.mark.parametrize("name", DAYS)
def test_a_page_fits_a_desk_a_phone_and_paper(browser: Browser, pages: dict[str, Path], name: str) -> None:
    with browser.open(pages[name], DESKTOP) as view:
        assert view.overflow() == 0
        assert view.faults_of_access() == []
        view.resize(PHONE)
        assert view.overflow() == 0
        view.resize(PAPER)
        view.for_print()
        assert view.overflow() == 0
        assert view.ask(CUT_OFF) == []
        assert (view.errors, view.outside) == ([], [])


CUT_OFF = """[...document.querySelectorAll("table, svg")]
    .filter(one => one.getBoundingClientRect().right > document.documentElement.clientWidth + 1)
    .map(one => one.outerHTML.slice(0, 80))"""
