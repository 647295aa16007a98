"""docs/layout-yaml.md is a reference of every key, and its examples are good documents."""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path

import pytest
from pydantic import BaseModel

from atom_pipeline.layout import model
from atom_pipeline.layout.document import load_layout

TEXT = (Path(__file__).parents[2] / "docs" / "layout-yaml.md").read_text(encoding="utf-8")
CODE = set(re.findall(r"`([^`\n]+)`", re.sub(r"```.*?```", "", TEXT, flags=re.DOTALL)))
EXAMPLES = re.findall(r"### ([^\n]+)\n(?:(?!###).)*?```yaml\n(.*?)```", TEXT, flags=re.DOTALL)
PARTS = [kind for kind in vars(model).values() if isinstance(kind, type) and issubclass(kind, model.Strict)]
WORDS = [kind for kind in vars(model).values() if isinstance(kind, type) and issubclass(kind, StrEnum)]


@pytest.mark.parametrize("part", [part for part in PARTS if part is not model.Strict], ids=lambda part: part.__name__)
def test_every_key_of_a_document_is_explained(part: type[BaseModel]) -> None:
    keys = {info.alias or name for name, info in part.model_fields.items()}
    assert keys <= CODE, sorted(keys - CODE)


@pytest.mark.parametrize("words", [kind for kind in WORDS if kind is not StrEnum], ids=lambda kind: kind.__name__)
def test_every_word_that_a_key_may_have_is_there(words: type[StrEnum]) -> None:
    values = {str(word.value) for word in words}
    assert values <= CODE, sorted(values - CODE)


@pytest.mark.parametrize("text", [text for _, text in EXAMPLES], ids=[title for title, _ in EXAMPLES])
def test_every_example_is_a_good_document(tmp_path: Path, text: str) -> None:
    path = tmp_path / "exemplo.yaml"
    path.write_text(text, encoding="utf-8")
    assert load_layout(path).versions


def test_there_is_an_example_of_every_shape_and_every_link_leads_somewhere() -> None:
    assert len(EXAMPLES) == 7
    titles = [
        re.sub(r"[^a-z0-9 -]", "", title.lower()).replace(" ", "-") for title in re.findall(r"^#+ (.+)$", TEXT, re.M)
    ]
    assert set(re.findall(r"\]\(#([^)]+)\)", TEXT)) <= set(titles)
