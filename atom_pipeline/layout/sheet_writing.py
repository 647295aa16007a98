"""The layout of a sheet as a YAML document: what was understood is ``spec``, each doubt a comment above its field."""

from __future__ import annotations

import textwrap
from typing import Any

import yaml

from atom_pipeline.layout.model import RecordRole
from atom_pipeline.layout.sheet_fields import SheetField
from atom_pipeline.layout.sheet_records import SheetLayout, SheetRecord

_WIDTH = 120  # of a line, as in the documents written by hand


def layout_document(sheet: SheetLayout) -> str:
    """The document's text. It may still have findings: load it to know."""
    head = f"Imported from {sheet.file} by `atom layout import`: `spec` is what the sheet says, doubts stand above."
    lines = _comments(head, "", mark="")
    if any("personal" in item.keys for record in sheet.records for item in record.fields):
        head = "No sheet says what is personal: `personal` and its `checks` go by the fields' names."
        lines += _comments(head, "", mark="")
    for doubt in sheet.doubts:
        lines += _comments(str(doubt), "")
    ending = "txt" if sheet.fixed else "csv"
    shape: dict[str, Any] = {"kind": "fixed", "encoding": "latin-1", "newline": "any"}
    if not sheet.fixed:
        shape = {
            "kind": "delimited",
            "encoding": "latin-1",
            "newline": "any",
            "delimiter": sheet.delimiter,
            "header": True,
            "formulas": "keep",
        }
    lines += [
        *_pairs({"layout": sheet.name, "title": sheet.title, "description": f"Importado de {sheet.file}"}, ""),
        *_pairs({"stage": sheet.stage.value, "direction": "import", "source": "spec"}, ""),
        "names:",
        *_flow({"pattern": f"{sheet.name}_<AAAAMMDD>.{ending}", "source": "inferred"}, "  "),
        "merge: append",
        "versions:",
        "  - since: 2000-01-01",
        f"    format: {_inline(shape)}",
        "    records:",
    ]
    for record in sheet.records:
        lines += _record(record, fixed=sheet.fixed)
    return "\n".join(lines) + "\n"


def _record(record: SheetRecord, *, fixed: bool) -> list[str]:
    indent = " " * 8
    lines = [line for doubt in record.doubts for line in _comments(f"{record.sheet}: {doubt}", " " * 6)]
    keys: dict[str, Any] = {"name": record.name}
    if record.role is not RecordRole.DETAIL:
        keys["role"] = record.role.value
    if record.length is not None:
        keys["length"] = record.length
    first, *others = _pairs(keys, indent)
    lines += [f"      - {first.strip()}", *others]
    if record.match:
        also = {"and": record.composed["and"]} if "and" in record.composed else {}
        lines.append(f"{indent}match: {_inline({'field': record.match[0], 'equals': record.match[1], **also})}")
    composed = {key: value for key, value in record.composed.items() if key != "and"}
    lines += _pairs(composed, indent) if composed else []
    lines += [*_pairs({"description": record.description, "source": "spec"}, indent), f"{indent}fields:"]
    end = 0
    for block in record.blocks():
        head, indent = block[0], " " * 10
        if head.group:
            lines += [f"{indent}- group: {head.group}", f"{indent}  times: {head.times}", f"{indent}  fields:"]
            indent += " " * 4
        for item in block:
            for doubt in item.doubts:
                lines += _comments(f"{record.sheet}:{item.row}: {doubt}" if item.row else doubt, indent)
            lines += _flow(_keys(item, end, fixed=fixed and not item.group), indent)
            end = (item.start or end + 1) + (item.width or 0) - 1
        if head.group and head.start is not None:
            end = head.start + sum(item.width or 0 for item in block) * head.times - 1
    return lines


def _keys(item: SheetField, end: int, *, fixed: bool) -> dict[str, Any]:
    """A field's keys in the order of the documents written by hand; ``at`` only where it does not follow on."""
    keys: dict[str, Any] = {"name": item.name}
    if "title" in item.keys:
        keys["title"] = item.keys["title"]
    if fixed and item.start is not None and item.start != end + 1:
        keys["at"] = item.start
    if item.width is not None:
        keys["width"] = item.width
    keys |= {
        key: value for key, value in item.keys.items() if key not in {"title", "description"} and value is not False
    }
    keys["description"] = item.keys.get("description", "")
    if not item.doubts:
        keys["source"] = "spec"
    return keys


def _comments(text: str, indent: str, *, mark: str = "doubt: ") -> list[str]:
    start = f"{indent}# "
    return textwrap.wrap(mark + text, _WIDTH, initial_indent=start, subsequent_indent=f"{start}  ")


def _pairs(keys: dict[str, Any], indent: str) -> list[str]:
    text = yaml.safe_dump(keys, allow_unicode=True, sort_keys=False, width=_WIDTH - len(indent) - 4)
    return textwrap.indent(text, indent).splitlines()


def _flow(keys: dict[str, Any], indent: str) -> list[str]:
    """An item of a list, as ``- {...}`` on as many lines as it takes."""
    text = yaml.safe_dump(
        keys, default_flow_style=True, allow_unicode=True, sort_keys=False, width=_WIDTH - len(indent) - 30
    )
    first, *others = text.rstrip().splitlines()
    return [f"{indent}- {first}", *(f"{indent}   {line.strip()}" for line in others)]


def _inline(keys: dict[str, Any]) -> str:
    dumped: str = yaml.safe_dump(keys, default_flow_style=True, allow_unicode=True, sort_keys=False, width=10_000)
    return dumped.strip()
