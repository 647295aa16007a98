"""The layouts' pages as people open them: from disk, on a desk and on a phone, in the dark, on paper."""

from __future__ import annotations

from pathlib import Path

import pytest
from browser import DESKTOP, PHONE, Browser

HOME = Path(__file__).resolve().parents[2] / "docs" / "layouts" / "banco_pan_veiculos"
PAPER = (1032, 700)  # A4 on its side, without margins
OUT_OF_THEIR_BOXES = """() => [...document.querySelectorAll("g.box")].filter(group => {
    const box = group.querySelector("rect").getBoundingClientRect();
    return [...group.querySelectorAll(".value, .blank")].some(text => {
        const place = text.getBoundingClientRect();
        return place.left < box.left - 1.5 || place.right > box.right + 1.5;
    });
}).map(group => group.dataset.field)"""


@pytest.mark.parametrize("name", ["index", "remessa_assessoria", "remessa_garantias", "refin"])
def test_a_page_needs_nothing_but_itself_and_fits_every_screen(browser: Browser, name: str) -> None:
    with browser.open(HOME / f"{name}.html", DESKTOP) as view:
        assert view.overflow() == 0
        assert view.ask(OUT_OF_THEIR_BOXES) == []
        view.resize(PHONE)
        assert view.overflow() == 0
        view.resize(PAPER)
        view.for_print()
        assert view.overflow() == 0
        assert view.do(lambda page: page.locator(".filter").is_visible()) is False
        assert (view.errors, view.outside) == ([], [])


@pytest.mark.parametrize("name", ["index", "exclusao_retirada"])
def test_a_page_is_read_by_those_who_do_not_see_it_well(browser: Browser, name: str) -> None:
    with browser.open(HOME / f"{name}.html") as view:
        assert view.faults_of_access() == []
        view.dark()
        assert view.faults_of_access() == []


def test_every_field_is_drawn_and_told(browser: Browser) -> None:
    with browser.open(HOME / "remessa_assessoria.html") as view:
        rows = view.ask("[...document.querySelectorAll('table.fields tr[id]')].map(row => row.id)")
        drawn = view.ask("[...new Set([...document.querySelectorAll('g.box')].map(box => box.dataset.field))]")
        assert len([row for row in rows if "-detalhe-" in row]) == 280
        assert drawn == rows
        values = view.texts("tr[id$='-detalhe-nome'] td.example")
        assert values == ["MARIA EXEMPLO DA SILVA"]
        first = view.ask("document.querySelector('[data-field$=\"-detalhe-nome\"] .value').textContent")
        assert first.replace("\u00a0", " ") == "MARIA EXEMPLO DA SILVA"


def test_a_filter_finds_fields_whatever_their_accents(browser: Browser) -> None:
    with browser.open(HOME / "remessa_garantias.html") as view:
        view.do(lambda page: page.get_by_label("Filter fields").fill("orgao registrado"))
        shown = "[...document.querySelectorAll('table.fields tr[id]')].filter(row => !row.hidden).map(row => row.id)"
        assert view.ask(shown) == ["v20000101-gravame-orgao_registro"]
        assert view.texts("output") == ["1 of 51"]
        assert view.ask("document.querySelectorAll('g.box:not(.dim)').length") >= 1


def test_a_click_on_the_drawing_leads_to_the_field(browser: Browser) -> None:
    with browser.open(HOME / "refin.html") as view:
        view.do(lambda page: page.locator("[data-field$='-cet_anual'] .value").click())
        assert view.ask("location.hash").endswith("-cet_anual")
        assert view.ask("document.querySelector('tr:target code').textContent") == "cet_anual"
