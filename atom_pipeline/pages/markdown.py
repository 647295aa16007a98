"""A layout as a page of Markdown: what the documents under ``docs/layouts`` hold. Generated, never edited.

Only rendering belongs here; every fact comes from the layout's own document.
"""

from __future__ import annotations

from atom_pipeline.layout.catalogue import Catalogue
from atom_pipeline.layout.model import FixedFormat, Layout, NamePattern, Record, Version
from atom_pipeline.pages import words
from atom_pipeline.pages.example import Examples
from atom_pipeline.portfolio import Portfolio


def layout_page(layout: Layout, portfolio: Portfolio, examples: Examples | None = None) -> str:
    """The page of one layout, with every version, record and field; with ``examples`` a file name is shown by one."""
    lines = [
        f"# {layout.title}",
        "",
        f"`{layout.layout}` · stage `{layout.stage.value}` · {words.DIRECTIONS[layout.direction]} · "
        f"rules {', '.join(layout.rules) or '-'} · {words.PROVENANCE[layout.source]}",
        "",
        words.one_line(layout.description),
        "",
        "## File names",
        "",
        *(_name(name, examples) for name in layout.names),
        "",
        "## Policy",
        "",
        *(f"- {fact.label}: {fact.text}" for fact in words.policy(layout, portfolio)),
    ]
    versions = sorted(layout.versions, key=lambda version: version.since, reverse=True)
    for version, before in zip(versions, [*versions[1:], None], strict=True):
        lines += ["", *_version(version, before)]
    return "\n".join(lines).rstrip() + "\n"


def index_page(catalogue: Catalogue) -> str:
    """The list of a portfolio's layouts, with links."""
    lines = [
        f"# Layouts of {catalogue.portfolio.title}",
        "",
        "Each has a page here, and one for the browser beside it that draws the record, with an example: begin at",
        "[index.html](index.html).",
        "",
        "| layout | stage | direction | fields | file name |",
        "|---|---|---|---|---|",
    ]
    for layout in catalogue.layouts.values():
        fields = ", ".join(str(len(record.fields)) for record in layout.versions[-1].details)
        lines.append(
            f"| [{layout.layout}]({layout.layout}.md) | {layout.stage.value} | {layout.direction} | {fields} "
            f"| `{layout.names[0].pattern}` |"
        )
    return "\n".join(lines) + "\n"


def _name(name: NamePattern, examples: Examples | None) -> str:
    example = f", e.g. `{examples.name(name)}`" if examples else ""
    kind = " (workbook)" if name.excel else ""
    return f"- `{name.pattern}`{example}{kind} · {words.PROVENANCE[name.source]}{f': {name.note}' if name.note else ''}"


def _version(version: Version, before: Version | None) -> list[str]:
    lines = [f"## In force {words.period(version)}", ""]
    if version.note:
        lines += [words.one_line(version.note), ""]
    shape = words.file_format(version)
    lines.append(f"{shape[0].upper()}{shape[1:]}.")
    if before:
        lines += [
            "",
            "Changed since the version before:",
            "",
            *(f"- {text}" for text in words.changes(before, version)),
        ]
    for record in version.records:
        lines += ["", *_record(record, version)]
    return lines


def _record(record: Record, version: Version) -> list[str]:
    fixed = isinstance(version.format, FixedFormat)
    lines = [f"### Record `{record.name}` ({record.role.value}, {len(record.fields)} fields)", ""]
    if record.description:
        lines += [words.one_line(record.description), ""]
    facts = [f"- {fact.label}: {fact.text}" for fact in words.record_facts(record, version.format)]
    lines += [*facts, ""] if facts else []
    place = "bytes" if fixed else "title"
    lines += [f"| field | {place} | type | rules | description | source |", "|---|---|---|---|---|---|"]
    for field, start, stop in record.spans():
        cells = (
            words.place(field, start, stop, fixed=fixed),
            words.field_type(field),
            "; ".join(words.field_rules(field)),
            words.one_line(field.description),
            words.PROVENANCE[field.source],
        )
        lines.append(f"| `{field.name}` | {' | '.join(_cell(cell) for cell in cells)} |")
    return lines


def _cell(text: str) -> str:
    return words.one_line(text).replace("|", "\\|")
