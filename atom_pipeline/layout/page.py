"""A layout as a page of Markdown: what the documents under ``docs/layouts`` hold. Generated, never edited.

Only rendering belongs here; every fact comes from the layout's own document.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from atom_pipeline.layout.catalogue import Catalogue
from atom_pipeline.layout.model import (
    DelimitedFormat,
    Field,
    FieldType,
    FixedFormat,
    Layout,
    Provenance,
    Record,
    Version,
)

MARKS = {Provenance.SPEC: "spec", Provenance.INFERRED: "inferred"}
DIRECTIONS = {"in": "read", "out": "written", "import": "imported once, by command"}


def layout_page(layout: Layout) -> str:
    """The page of one layout, with every version, record and field."""
    lines = [
        f"# {layout.title}",
        "",
        f"`{layout.layout}` · stage `{layout.stage.value}` · {DIRECTIONS[layout.direction]} · "
        f"rules {', '.join(layout.rules) or '-'} · {MARKS[layout.source]}",
        "",
        " ".join(layout.description.split()),
        "",
        "## File names",
        "",
        *(
            f"- `{name.pattern}`{' (workbook)' if name.excel else ''} · {MARKS[name.source]}"
            f"{f': {name.note}' if name.note else ''}"
            for name in layout.names
        ),
        "",
        "## Policy",
        "",
        *_policy(layout),
    ]
    for version in layout.versions:
        lines += ["", *_version(version)]
    return "\n".join(lines).rstrip() + "\n"


def index_page(catalogue: Catalogue) -> str:
    """The list of a portfolio's layouts, with links."""
    lines = [
        f"# Layouts of {catalogue.portfolio.title}",
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


def _policy(layout: Layout) -> list[str]:
    key = ", ".join(f"`{name}`" for name in layout.key) or "none"
    return [
        f"- key: {key}; a key that stands twice in a file: {layout.unique}",
        f"- several files of one day: `{layout.merge.value}`",
        f"- day: {'by the hour in the name and the cutover' if layout.cutover else 'the date in the name'}",
        f"- refused rows above {layout.max_rejects:.1%} refuse the file; a file without rows: {layout.empty}",
    ]


def _version(version: Version) -> list[str]:
    until = f" until {version.until:%Y-%m-%d}" if version.until else ""
    lines = [f"## In force since {version.since:%Y-%m-%d}{until}", ""]
    if version.note:
        lines += [version.note, ""]
    lines.append(_format(version.format))
    for record in version.records:
        lines += ["", *_record(record, fixed=isinstance(version.format, FixedFormat))]
    return lines


def _format(layout_format: FixedFormat | DelimitedFormat) -> str:
    if isinstance(layout_format, FixedFormat):
        return f"Fixed width, {layout_format.encoding}, line end {layout_format.newline}."
    header = "with a line of titles" if layout_format.header else "without titles"
    return f"Delimited by `{layout_format.delimiter}`, {layout_format.encoding}, {header}."


def _record(record: Record, *, fixed: bool) -> list[str]:
    size = f", {record.length} bytes" if record.length else ""
    lines = [f"### Record `{record.name}` ({record.role.value}, {len(record.fields)} fields{size})", ""]
    if record.description:
        lines += [" ".join(record.description.split()), ""]
    if record.match:
        lines += [f"Told apart by `{record.match.field}` = `{record.match.equals}`.", ""]
    for total in record.totals:
        what = f"sum of `{total.sum_of}`" if total.sum_of else f"count of {', '.join(total.count)}"
        lines += [f"`{total.field}` = {what}; a difference refuses the file.", ""]
    place = "bytes" if fixed else "title"
    lines += [f"| field | {place} | type | rules | description | source |", "|---|---|---|---|---|---|"]
    for field, start, stop in record.spans():
        where = f"{start + 1}-{stop}" if fixed else (field.title or field.name)
        lines.append(
            f"| `{field.name}` | {_cell(where)} | {_type(field)} | {_cell('; '.join(field_rules(field)))} "
            f"| {_cell(field.description)} | {MARKS[field.source]} |"
        )
    return lines


def _type(field: Field) -> str:
    kind = field.type.value
    if field.type is FieldType.DECIMAL:
        mark = f"mark `{field.decimal_mark}`" if field.decimal_mark else "implied"
        return f"{kind}, {field.decimals} {mark}"
    return f"{kind} {field.format}" if field.format else kind


def field_rules(field: Field) -> Iterable[str]:
    """What a value of the field must be, in words."""
    if field.required:
        yield "required"
    if field.equals is not None:
        yield f"always {field.equals}"
    if field.zero_pad:
        yield f"{field.zero_pad} digits, zeros on the left"
    if field.signed:
        yield f"sign {field.signed}"
    for check in field.checks:
        yield f"{check.rule.value} ({check.severity.value})"
    if field.domain:
        codes = ", ".join(f"{code}={meaning}" for code, meaning in field.domain.items())
        yield f"one of {codes} ({field.domain_severity.value})"
    if field.minimum is not None:
        yield f"at least {field.minimum} ({field.range_severity.value})"
    if field.maximum is not None:
        yield f"at most {field.maximum} ({field.range_severity.value})"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def pages(catalogue: Catalogue, folder: Path) -> dict[Path, str]:
    """Every page of a portfolio by its path: one per layout, and the list."""
    home = folder / catalogue.portfolio.portfolio
    out = {home / f"{name}.md": layout_page(layout) for name, layout in catalogue.layouts.items()}
    return {home / "README.md": index_page(catalogue), **out}
