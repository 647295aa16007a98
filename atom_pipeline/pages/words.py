"""What a layout says, in the words of its pages: each fact once, for Markdown and HTML.

A :class:`Fact` is a label and a sentence; ``code`` stands between backticks in both. A new key of the model becomes a
line here and is on every page.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from atom_pipeline.layout.model import (
    DelimitedFormat,
    Field,
    FieldType,
    FixedFormat,
    Layout,
    Merge,
    Numbered,
    Provenance,
    Record,
    RecordRole,
    Severity,
    Version,
)
from atom_pipeline.portfolio import Expectation, Portfolio

PROVENANCE = {Provenance.SPEC: "spec", Provenance.INFERRED: "inferred"}
DIRECTIONS = {"in": "read", "out": "written", "import": "imported once, by command"}
WEEKDAYS = ("Mondays", "Tuesdays", "Wednesdays", "Thursdays", "Fridays", "Saturdays", "Sundays")
MERGES = {
    Merge.LATEST_PER_KEY: "their rows are put together; of a key that comes again the row of the later stamp holds",
    Merge.REPLACE_PER_KEY: "the newest file that has a key replaces all of that key's rows",
    Merge.UNION: "every distinct row of every file",
    Merge.NEWEST_FILE: "the newest file alone",
    Merge.APPEND: "every row, in order of arrival",
}
TWICE = {
    "refuse": "the row is refused",
    "flag": "the last row holds, and it is counted",
    "allow": "allowed",
}
NUMBERED = {
    Numbered.LINES: "the lines of the file",
    Numbered.LINES_OF_LOT: "the lines of each lot",
    Numbered.LOTS: "the lots",
}
ENDS = {"crlf": "CR LF", "lf": "LF", "any": "CR LF or LF", "none": "no line breaks"}
CHECKED_AS = {Severity.REFUSE: "else refused", Severity.FLAG: "else counted"}


@dataclass(frozen=True)
class Fact:
    """One thing to know: its name, and a sentence of it with ``code`` between backticks."""

    label: str
    text: str


def one_line(text: str) -> str:
    """A text of a document without its line breaks."""
    return " ".join(text.split())


def policy(layout: Layout, portfolio: Portfolio) -> Iterator[Fact]:
    """When a file of the layout comes or goes, and what becomes of its rows."""
    for expected in portfolio.expects:
        if layout.layout in expected.any_of:
            yield Fact("Expected", expectation(expected, layout.layout))
    if layout.direction == "in":
        cutover = f"{portfolio.operation.cutover:%H:%M}"
        yield Fact(
            "Working day",
            f"by the hour in the name: from {cutover} on it is of the next working day, before that of the same one"
            if layout.cutover
            else "the date in the name; what falls on a day that does not operate rolls forward",
        )
    yield Fact("Key", ", ".join(f"`{name}`" for name in layout.key) or "none: a row is told by its line")
    if layout.key:
        yield Fact("A key that stands twice in a file", TWICE[layout.unique])
    if layout.direction == "in":
        yield Fact("Several files of one day", f"{MERGES[layout.merge]} (`{layout.merge.value}`)")
    if layout.direction != "out":
        yield Fact(
            "Refused rows",
            "a row that breaks a rule is refused with its line, field and reason, and comes back in an error file; one "
            "that breaks a rule marked *else counted* is kept and counted",
        )
        yield Fact(
            "Refused files",
            f"more than {layout.max_rejects:.1%} of refused rows refuse the file: the base stays as it was",
        )
        yield Fact("A file without rows", {"accept": "accepted", "refuse": "refused"}[layout.empty])


def expectation(expected: Expectation, layout: str) -> str:
    """When a day expects a file, and what waits for it."""
    days = (
        "every working day"
        if len(expected.weekdays) == len(WEEKDAYS)
        else ", ".join(WEEKDAYS[weekday - 1] for weekday in expected.weekdays)
    )
    due = {"before": "by {} of the evening before", "same": "by {} of the day"}[expected.due_day]
    when = due.format(f"{expected.due:%H:%M}") if expected.due else "if there is one: its absence is not late"
    others = [f"`{name}`" for name in expected.any_of if name != layout]
    text = f"{days}, {when}"
    if others:
        text += f"; {' or '.join(others)} will do as well"
    if expected.required_for_carga:
        text += "; the carga waits for it until its deadline"
    if expected.waived_by:
        text += f"; the decision `{expected.waived_by}` stands in for it"
    return text


def file_format(version: Version) -> str:
    """Kind, encoding and line end of a version's files."""
    shape = version.format
    if isinstance(shape, FixedFormat):
        return f"fixed width, {shape.encoding}, {ENDS[shape.newline]}"
    header = "with a line of titles" if shape.header else "without titles"
    return f"delimited by `{_shown(shape.delimiter)}`, {shape.encoding}, {ENDS[shape.newline]}, {header}"


def period(version: Version) -> str:
    """From when until when a version is in force."""
    until = f", a file may follow it until {version.until:%Y-%m-%d}" if version.until else ""
    return f"since {version.since:%Y-%m-%d}{until}"


def record_facts(record: Record, shape: FixedFormat | DelimitedFormat) -> Iterator[Fact]:
    """What is to know of a record type beside its fields."""
    if record.matches:
        yield Fact("Told apart by", " and ".join(f"`{match.field}` = `{match.equals}`" for match in record.matches))
    if isinstance(shape, FixedFormat) and record.length:
        yield Fact("Length", f"{record.length:,} bytes, counted before decoding")
    if record.role is not RecordRole.DETAIL:
        whole = "lot" if record.role in {RecordRole.LOT_HEADER, RecordRole.LOT_TRAILER} else "file"
        yield Fact("Presence", f"a {whole} without it is refused" if record.required else "may be left out")
    if record.joins:
        presence = "a row without it is refused" if record.required else "it may be left out"
        yield Fact("Joins", f"goes on with the row that a line of `{record.joins}` began; {presence}")
    if record.gives:
        yield Fact("Gives", f"{', '.join(f'`{name}`' for name in record.gives)} to the rows after it")
    for field in record.fields:
        if field.sequence is not None:
            counted = f"`{field.name}` counts {NUMBERED[field.sequence.of]} from {field.sequence.start} on"
            yield Fact("Numbered", f"{counted}; a number out of order refuses the file, with both numbers")
    for total in record.totals:
        what = f"sum of `{total.sum_of}`" if total.sum_of else f"count of {_counted(total.count)}"
        where = f" where `{total.where.field}` = `{total.where.equals}`" if total.where else ""
        of = " in the lot" if record.role is RecordRole.LOT_TRAILER else ""
        yield Fact(
            "Reconciled", f"`{total.field}` = {what}{where}{of}; a difference refuses the file, with both numbers"
        )


def _counted(names: tuple[str, ...]) -> str:
    return "all lines" if names == ("*",) else ", ".join(f"`{name}`" for name in names)


def place(field: Field, start: int, stop: int, *, fixed: bool) -> str:
    """Where a field stands: its bytes from 1, or its title."""
    return f"{start + 1}-{stop}" if fixed else (field.title or field.name)


def field_type(field: Field) -> str:
    """Type, format and unit of a value."""
    return _kind(field) + (f", {field.unit}" if field.unit else "")


def _kind(field: Field) -> str:
    kind = field.type.value
    if field.type is FieldType.DECIMAL:
        if not field.decimals:
            return f"{kind}, no places"
        mark = f"after `{field.decimal_mark}`" if field.decimal_mark else "implied"
        thousands = f", thousands `{field.thousands_mark}`" if field.thousands_mark else ""
        return f"{kind}, {field.decimals} places {mark}{thousands}"
    return f"{kind} `{field.format}`" if field.format else kind


def field_rules(field: Field) -> Iterator[str]:
    """What a value of the field must be, in words."""
    if field.required:
        yield "required"
    if field.equals is not None:
        yield f"always `{field.equals}`"
    if field.zero_pad:
        yield f"{field.zero_pad} digits, zeros on the left"
    if field.strip_zeros:
        yield "zeros on the left are padding"
    if field.signed:
        yield f"sign {field.signed}"
    if field.suffix:
        yield f"`{field.suffix}` after it"
    if field.person_type:
        yield f"CPF or CNPJ as `{field.person_type}` says"
    for check in field.checks:
        yield f"a good {check.rule.value}, {CHECKED_AS[check.severity]}"
    if field.domain:
        codes = ", ".join(f"`{code}` {meaning}" for code, meaning in field.domain.items())
        yield f"one of {codes}, {CHECKED_AS[field.domain_severity]}"
    if field.minimum is not None:
        yield f"at least {field.minimum}, {CHECKED_AS[field.range_severity]}"
    if field.maximum is not None:
        yield f"at most {field.maximum}, {CHECKED_AS[field.range_severity]}"
    if field.type is not FieldType.TEXT and field.type_severity is Severity.FLAG:
        yield f"what is no {field.type.value} is left empty and counted"
    if field.default is not None:
        yield f"written as `{field.default}` when left out" if field.default else "written empty when left out"
    if field.personal:
        yield f"personal data ({field.personal.value}): masked where it is shown"


def changes(before: Version, after: Version) -> list[str]:
    """What a version changes of the one before: format, records, each field that is new, gone, moved or other."""
    out = [] if before.format == after.format else [f"{file_format(before)} → {file_format(after)}"]
    old, new = ({record.name: record for record in version.records} for version in (before, after))
    out += [f"record `{name}` is gone" for name in old if name not in new]
    for name, record in new.items():
        if name not in old:
            out.append(f"record `{name}` is new, {len(record.fields)} fields")
            continue
        if old[name].length != record.length:
            out.append(f"`{name}`: {old[name].length} → {record.length} bytes")
        fixed = isinstance(after.format, FixedFormat)
        was, now = (_places(one, fixed=fixed) for one in (old[name], record))
        out += [f"`{name}.{field}` is gone (was {was[field]})" for field in was if field not in now]
        out += [f"`{name}.{field}` is new: {now[field]}" for field in now if field not in was]
        out += [
            f"`{name}.{field}`: {was[field]} → {now[field]}"
            for field in now
            if field in was and was[field] != now[field]
        ]
    return out


def _places(record: Record, *, fixed: bool) -> dict[str, str]:
    """Place and type of each field, as one text."""
    out = {}
    for number, (field, start, stop) in enumerate(record.spans(), start=1):
        at = f"bytes {start + 1}-{stop}" if fixed else f"column {number}"
        out[field.name] = f"{at}, {field_type(field)}" + (", required" if field.required else "")
    return out


def _shown(mark: str) -> str:
    return "TAB" if mark == "\t" else mark
