"""A layout as one HTML page that opens without a server: drawn record, example, fields, policy, history.

Only putting together belongs here: facts come from ``words``, places from ``ruler``, the look from ``templates``. A
page asks for nothing outside itself; without JavaScript it lacks the filter and nothing else.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

from atom_pipeline.layout.catalogue import Catalogue
from atom_pipeline.layout.model import FixedFormat, Layout, Record, Stage, Version
from atom_pipeline.pages import words
from atom_pipeline.pages.example import Example, Examples
from atom_pipeline.pages.ruler import Row, delimited_rows, fixed_rows

TEMPLATES = Path(__file__).parent / "templates"
_CODE = re.compile(r"`([^`]*)`|\*([^*]+)\*")
# What a file is for, in the order of a day: the headings of the list.
PURPOSES = (
    ("What the bank sends", "in"),
    ("What is written", "out"),
    ("What is imported once", "import"),
)


@dataclass(frozen=True)
class FieldLine:
    """One line of the table of fields."""

    number: int
    name: str
    place: str
    width: str
    type: str
    rules: tuple[str, ...]
    example: str
    description: str
    source: str
    required: bool


@dataclass(frozen=True)
class RecordPart:
    """A record type: its drawing and its table."""

    record: Record
    anchor: str
    facts: list[words.Fact]
    rows: list[Row]
    lines: list[FieldLine]
    raw: str
    fixed: bool
    titled: bool  # whether a column of the file has another title than its field's name


@dataclass(frozen=True)
class VersionPart:
    """A version: what it changed, its records, its example."""

    version: Version
    anchor: str
    format: str
    changes: list[str]
    example: Example
    records: list[RecordPart]


def layout_page(layout: Layout, catalogue: Catalogue, examples: Examples) -> str:
    """The page of one layout, the newest version first."""
    versions = sorted(layout.versions, key=lambda version: version.since, reverse=True)
    parts = [
        _version(layout, version, before, examples)
        for version, before in zip(versions, [*versions[1:], None], strict=True)
    ]
    return _render(
        "layout.html.j2",
        layout=layout,
        portfolio=catalogue.portfolio,
        names=[(name, examples.name(name)) for name in layout.names],
        policy=list(words.policy(layout, catalogue.portfolio)),
        versions=parts,
    )


def index_page(catalogue: Catalogue) -> str:
    """The list of a portfolio's layouts, in the order in which a day uses them."""
    stages = list(Stage)
    ordered = sorted(catalogue.layouts.values(), key=lambda layout: (stages.index(layout.stage), layout.layout))
    groups = [(title, [one for one in ordered if one.direction == direction]) for title, direction in PURPOSES]
    return _render("index.html.j2", portfolio=catalogue.portfolio, groups=[group for group in groups if group[1]])


def _version(layout: Layout, version: Version, before: Version | None, examples: Examples) -> VersionPart:
    example = examples.of(layout, version)
    anchor = f"v{version.since:%Y%m%d}"
    return VersionPart(
        version=version,
        anchor=anchor,
        format=words.file_format(version),
        changes=words.changes(before, version) if before else [],
        example=example,
        records=[_record(record, version, example, anchor) for record in version.records],
    )


def _record(record: Record, version: Version, example: Example, anchor: str) -> RecordPart:
    fixed = isinstance(version.format, FixedFormat)
    cells = example.cells(record, version)
    lines = [
        FieldLine(
            number=number,
            name=field.name,
            place=words.place(field, start, stop, fixed=fixed),
            width=str(field.width or ""),
            type=words.field_type(field),
            rules=tuple(words.field_rules(field)),
            example=cell.strip(" "),
            description=words.one_line(field.description),
            source=words.PROVENANCE[field.source],
            required=field.required,
        )
        for number, ((field, start, stop), cell) in enumerate(zip(record.spans(), cells, strict=True), start=1)
    ]
    return RecordPart(
        record=record,
        anchor=f"{anchor}-{record.name}",
        facts=list(words.record_facts(record, version.format)),
        rows=fixed_rows(record, cells) if fixed else delimited_rows(record, cells),
        lines=lines,
        raw=example.lines.get(record.name, ""),
        fixed=fixed,
        titled=any(field.title not in (None, field.name) for field in record.fields),
    )


def inline(text: str) -> Markup:
    """A sentence with ``code`` between backticks and *words* between stars, as HTML."""
    out, end = Markup(""), 0
    for found in _CODE.finditer(text):
        out += escape(text[end : found.start()])
        code, words_said = found.groups()
        out += Markup("<code>{}</code>").format(code) if code is not None else Markup("<em>{}</em>").format(words_said)
        end = found.end()
    return out + escape(text[end:])


def breakable(name: str) -> Markup:
    """A file name that a narrow column breaks between its parts."""
    return Markup("<wbr>").join(escape(part) for part in re.split(r"(?<=[_>.])", name))


@lru_cache(maxsize=1)
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    environment.filters["inline"] = inline
    environment.filters["breakable"] = breakable
    environment.filters["one_line"] = words.one_line
    environment.filters["period"] = words.period
    environment.globals["directions"] = words.DIRECTIONS
    return environment


def _render(template: str, **values: Any) -> str:
    text = _environment().get_template(template).render(**values)
    return "\n".join(line.rstrip() for line in text.splitlines() if line.strip()) + "\n"
