"""``atom layout check`` fails while a page says something else than its document."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from atom_pipeline.cli import layouts
from atom_pipeline.errors import AtomError

AURORA = Path(__file__).resolve().parents[1] / "portfolios" / "aurora_motos"


@pytest.fixture
def docs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Pages of a portfolio whose documents stand in ``layouts`` beside them."""
    shutil.copytree(AURORA, tmp_path / "layouts" / "aurora_motos")
    monkeypatch.setenv("ATOM_LAYOUTS", str(tmp_path / "layouts"))
    monkeypatch.setattr(layouts, "_docs", lambda: tmp_path / "docs")
    layouts.doc()
    layouts.check()
    return tmp_path / "docs" / "aurora_motos"


@pytest.mark.parametrize("name", ["remessa.html", "remessa.md", "index.html", "README.md"])
def test_a_page_that_was_changed_by_hand_is_found(docs: Path, name: str) -> None:
    page = docs / name
    page.write_text(page.read_text(encoding="utf-8") + " ", encoding="utf-8")
    with pytest.raises(AtomError, match=f"atom layout doc.*\n.*{name}$"):
        layouts.check()


def test_a_document_that_was_changed_makes_its_pages_stale(docs: Path) -> None:
    document = docs.parents[1] / "layouts" / "aurora_motos" / "remessa.yaml"
    document.write_text(document.read_text(encoding="utf-8") + "max_rejects: 0.011\n", encoding="utf-8")
    with pytest.raises(AtomError) as failed:
        layouts.check()
    assert {line.rsplit("/", 1)[1] for line in str(failed.value).splitlines()[1:]} == {"remessa.html", "remessa.md"}


def test_pages_of_a_layout_that_is_no_more_are_found_and_removed(docs: Path) -> None:
    (docs / "antigo.html").write_text("antigo", encoding="utf-8")
    with pytest.raises(AtomError, match=r"antigo\.html"):
        layouts.check()
    layouts.doc()
    assert not (docs / "antigo.html").exists()
