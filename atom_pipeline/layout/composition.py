"""How the record types of a version go together: rows made of several lines, lots, totals, sequence numbers, overlaps.

Pure derivations and checks over the parts of a layout's model; ``model`` calls them while it is validated, so nothing
is imported from it at run time. Lines are put together in ``joining``, numbers are reconciled in ``totals``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from atom_pipeline.layout.model import Field, Group, Problem, Record, Total, Version

ONCE = ("header", "lot_header", "lot_trailer", "trailer")  # roles of which a version has one record type at most
GIVING = ("header", "lot_header")
TOTALLED = ("header", "lot_trailer", "trailer")
_ADDED = {"integer", "decimal"}
_ABSENT: dict[str, object] = {"required": False, "default": None}  # of a field whose line may not be there


def row_types(records: Sequence[Record]) -> tuple[Record, ...]:
    """The kinds of rows: each detail record that joins no other one, with the fields of those that join it.

    First come its own fields, then those of the joined records that it does not have itself, then those that headers
    give. What of it may be absent is not required. Where nothing joins and nothing gives they are the records as such.
    """
    details = [record for record in records if record.role == "detail"]
    givers = [record for record in records if record.gives]
    if not givers and not any(record.joins for record in details):
        return tuple(details)
    rows = []
    for head in details:
        if head.joins is None:
            joined = [record for record in details if record.joins == head.name]
            items = [*head.items]
            have = set(head.by_name)
            for record in joined:
                items += [_optional(item, record) for item in record.items if _names(item).isdisjoint(have)]
                have |= set(record.by_name)
            for record in givers:
                items += [_optional(item, record) for item in record.items if _names(item) <= set(record.gives)]
            length = sum(record.length or 0 for record in (head, *joined)) or None
            rows.append(head.model_copy(update={"items": tuple(items), "length": length}))
    return tuple(rows)


def joined_to(records: Sequence[Record], head: str) -> list[Record]:
    """The record types that join lines of ``head``, in the order of the document."""
    return [record for record in records if record.joins == head]


def shared_fields(head: Record, joined: Record) -> list[str]:
    """Fields that stand in both and are the same fact: a row in which they differ is refused."""
    return [
        name
        for name in joined.by_name
        if name in head.by_name and name not in joined.self_written and name not in head.self_written
    ]


def _names(item: Field | Group) -> set[str]:
    group = getattr(item, "group", None)
    return {field.name for field in item.expand()} if group else {item.name}  # type: ignore[union-attr]


def _optional(item: Field | Group, record: Record) -> Field | Group:
    """The item as a column of a row that may lack its record. What tells records apart is placed by its own record."""
    changes: dict[str, object] = {}
    if getattr(item, "group", None):
        if not record.required:
            fields = tuple(field.model_copy(update=_ABSENT) for field in item.fields)  # type: ignore[union-attr]
            changes = {"fields": fields}
    else:
        changes = {"at": None} if record.required else {"at": None, **_ABSENT}
    return item.model_copy(update=changes) if changes else item


def composition_problems(records: Sequence[Record]) -> Iterator[Problem]:
    """All that is inconsistent among the record types of a version."""
    by_name = {record.name: record for record in records}
    roles = [record.role.value for record in records]
    for role in ONCE:
        if roles.count(role) > 1:
            last = len(roles) - 1 - roles[::-1].index(role)
            yield ("records", last), f"a second record of role {role}: a file has one"
    if "lot_trailer" in roles and "lot_header" not in roles:
        yield ("records", roles.index("lot_trailer")), "a lot_trailer needs a record of role lot_header"
    for place, record in enumerate(records):
        at = ("records", place)
        yield from _joining_problems(record, place, records)
        for below, text in _total_problems(record, by_name):
            yield (*at, *below), text
        if record.gives and record.role.value not in GIVING:
            yield (*at, "gives"), "`gives` goes with the roles header and lot_header"
        for number, name in enumerate(record.gives):
            others = [other.name for other in records if other is not record and _has_column(other, name)]
            if others and record.role.value in GIVING:
                text = f"{name} is a column of {others[0]} too: give one of both another name"
                yield (*at, "gives", number), text
    yield from _matching_problems(records)
    yield from _sequence_problems(records)


def _has_column(record: Record, name: str) -> bool:
    return name in record.by_name if record.role == "detail" else name in record.gives


def _joining_problems(record: Record, place: int, records: Sequence[Record]) -> Iterator[Problem]:
    at = ("records", place, "joins")
    if record.joins is None:
        return
    if record.role != "detail":
        yield at, "`joins` goes with the role detail"
        return
    names = [other.name for other in records]
    if record.joins not in names:
        yield at, f"no record {record.joins} here; there are {', '.join(names)}"
        return
    head_place = names.index(record.joins)
    head = records[head_place]
    if head.role != "detail" or head.joins is not None:
        yield at, f"{head.name} begins no row: join a record of role detail that joins no other"
    elif head_place > place:
        yield at, f"{head.name} stands further down: put the records in the order of their lines"
    for number, item in enumerate(record.items):
        some = _names(item) & set(head.by_name)
        if some and some != _names(item):
            yield ("records", place, "fields", number), f"the group shares {', '.join(sorted(some))} with {head.name}"


def _total_problems(record: Record, by_name: dict[str, Record]) -> Iterator[Problem]:
    if record.totals and record.role.value not in TOTALLED:
        yield ("totals",), f"`totals` go with the roles {', '.join(TOTALLED)}"
        return
    for number, total in enumerate(record.totals):
        at = ("totals", number)
        holds = record.by_name.get(total.field)
        if holds is not None and holds.type.value not in {*_ADDED, "digits"}:
            yield (*at, "field"), f"{total.field} is no number: a total is an integer, a decimal or digits"
        if "*" in total.count and (len(total.count) > 1 or total.where):
            yield (*at, "count"), '["*"] counts every line, and stands alone'
            continue
        unknown = [name for name in total.count if name != "*" and name not in by_name]
        if unknown:
            yield (*at, "count"), f"no record {', '.join(unknown)} here; there are {', '.join(by_name)}"
        of, _, field = (total.sum_of or "").partition(".")
        if total.sum_of is not None:
            added = by_name[of].by_name.get(field) if of in by_name else None
            if added is None:
                yield (*at, "sum_of"), f"no field {total.sum_of} here: write record.field"
            elif added.type.value not in _ADDED:
                yield (*at, "sum_of"), f"{total.sum_of} is no number"
        yield from _scope_problems(record, total, at, by_name)


def _scope_problems(
    record: Record, total: Total, at: tuple[str | int, ...], by_name: dict[str, Record]
) -> Iterator[Problem]:
    """Totals of what is not in a lot, and conditions on fields that are not there or are no text."""
    summed = [total.sum_of.partition(".")[0]] if total.sum_of is not None else []
    about = [by_name[name] for name in (*total.count, *summed) if name in by_name]
    outside = [other.name for other in about if other.role.value in {"header", "trailer"}]
    if record.role == "lot_trailer" and outside:
        yield at, f"{outside[0]} stands in no lot"
    for other in about if total.where else ():
        field = other.by_name.get(total.where.field)  # type: ignore[union-attr]
        if field is None or field.type.value not in {"text", "digits"}:
            text = f"{other.name} has no field {total.where.field} of text or digits"  # type: ignore[union-attr]
            yield (*at, "where"), text


def _matching_problems(records: Sequence[Record]) -> Iterator[Problem]:
    seen: dict[frozenset[tuple[object, str]], str] = {}
    for place, record in enumerate(records):
        spans = {field.name: (start, stop) for field, start, stop in record.spans()} if record.length else {}
        told = frozenset(
            (spans.get(match.field) or (len(record.fields), list(record.by_name).index(match.field)), match.equals)
            for match in record.matches
            if match.field in record.by_name
        )
        if told and told in seen:
            yield ("records", place, "match"), f"{seen[told]} matches the same: nothing tells them apart"
        seen.setdefault(told, record.name)


def _sequence_problems(records: Sequence[Record]) -> Iterator[Problem]:
    lots = any(record.role == "lot_header" for record in records)
    starts: dict[str, int] = {}
    for place, record in enumerate(records):
        found: set[str] = set()
        for field in record.fields:
            if field.sequence is None:
                continue
            of = field.sequence.of.value
            at = (
                "records",
                place,
                "fields",
                next(i for i, item in enumerate(record.items) if field.name in _names(item)),
            )
            if of != "lines" and not lots:
                yield (*at, "sequence"), f"`{of}` needs a record of role lot_header"
            if of != "lines" and record.role.value in {"header", "trailer"}:
                yield (*at, "sequence"), f"`{of}` has no meaning in a {record.role.value}, which stands in no lot"
            if of in found:
                yield (*at, "sequence"), f"a second field that counts {of}"
            found.add(of)
            if starts.setdefault(of, field.sequence.start) != field.sequence.start:
                yield (*at, "sequence"), f"another record counts {of} from {starts[of]} on"


def overlap_problems(versions: Sequence[Version]) -> Iterator[Problem]:
    """``until`` without a later version to overlap, and columns of another type in a version of the same days."""
    for place, version in enumerate(versions):
        later = sorted((one for one in versions if one.since > version.since), key=lambda one: one.since)
        if version.until is None:
            continue
        if not later:
            yield ("versions", place, "until"), "`until` is for an overlap, and no later version takes over"
            continue
        if version.until < later[0].since:
            text = f"the next version is in force from {later[0].since:%Y-%m-%d} on: leave `until` out, or overlap"
            yield ("versions", place, "until"), text
        for other in later:
            if other.since <= version.until:
                kinds = {field.name: _kind(field) for record in other.details for field in record.fields}
                for record in version.details:
                    for field in record.fields:
                        if kinds.get(field.name, _kind(field)) != _kind(field):
                            text = (
                                f"{field.name} has another type in the version since {other.since:%Y-%m-%d}, and on "
                                "the days of the overlap one table holds both"
                            )
                            yield ("versions", place), text


def _kind(field: Field) -> tuple[str, int]:
    return field.type.value, field.decimals
