"""One row of a field list as a field of a layout: its type, format, decimals, codes, and every doubt about them.

What the sheet says is kept; what it leaves open is chosen so that nothing is lost (digits and text, not numbers), and
said. Where fields stand is in ``sheet_places``; the notation of pictures and dates in ``sheet_pictures``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

from atom_pipeline.layout.model import FieldType
from atom_pipeline.layout.sheet_codes import codes_in, constant_in
from atom_pipeline.layout.sheet_pictures import date_format_of, decimals_in, is_packed, picture_of, type_word
from atom_pipeline.layout.sheet_places import Place
from atom_pipeline.layout.sheet_reading import FieldRow
from atom_pipeline.layout.sheet_words import (
    AMOUNTS,
    BLANKS,
    DATES,
    DOCUMENTS,
    FILLERS,
    IDENTIFIERS,
    NO,
    NOT_OF_PEOPLE,
    NUMBERING,
    PERSONAL,
    QUANTITIES,
    TICKS,
    YES,
    Column,
    plain,
)

_CONTRACT = re.compile("(?:(?:numero|num|nr|nro|no|cod|codigo)_)?(?:do_)?contrato")
_MAY_COUNT = "a number without decimals, read as digits: write `type: integer` if it is a quantity"
_NUMBERS = frozenset({FieldType.DIGITS, FieldType.INTEGER})
_MOMENTS = frozenset({FieldType.DATE, FieldType.TIME, FieldType.DATETIME})


@dataclass
class SheetField:
    """A field as it was understood. ``keys`` are those of a layout's field, without name and place.

    ``may_be`` are the types that agree with what the sheet says, empty when it says nothing; ``guessed`` are keys that
    it does not say. ``row`` is 0 for bytes that no row of the sheet has.
    """

    row: int
    name: str
    label: str
    start: int | None
    width: int | None
    keys: dict[str, Any] = field(default_factory=dict)
    may_be: frozenset[FieldType] = frozenset()
    guessed: set[str] = field(default_factory=set)
    doubts: list[str] = field(default_factory=list)
    group: str = ""  # the repeating group it is of; the fields of one group stand together
    times: int = 1  # how often that group stands
    constant: str = ""  # what a copybook says it begins with: tells records apart, else what is written by default

    @property
    def type(self) -> FieldType:
        return FieldType(self.keys.get("type", FieldType.TEXT))


def field_name(label: str) -> str:
    """A field's name in a layout: ``Nº do Contrato`` is ``numero_do_contrato``, ``OperOriginal`` ``oper_original``."""
    parted = re.sub(r"(?<=[a-zà-ÿ])(?=[A-ZÀ-Þ])", " ", label)
    name = plain(parted).replace(" ", "_")
    return name if re.match("[a-z]", name) else f"campo_{name}".rstrip("_")


def is_filler(name: str) -> bool:
    """Whether a field of that name holds nothing."""
    return name in FILLERS or name.split("_")[0] == "filler"


def understand(row: FieldRow, place: Place, *, fixed: bool) -> SheetField:
    """The field of a row that stands at a place."""
    label = row[Column.NAME]
    out = SheetField(row.number, field_name(label), label, place.start, place.width, doubts=list(place.doubts))
    notes = [row[Column.DESCRIPTION] or label]
    words = set(re.split(r"[_\d]+", out.name)) - {""}
    if fixed is False and label != out.name:
        out.keys["title"] = label
    _set_type(out, row, place, words, notes, fixed=fixed)
    if place.times > 1:
        out.group, out.times = out.name, place.times
    _set_required(out, row[Column.REQUIRED])
    _set_personal(out, words)
    _set_codes(out, row, notes)
    if {"equals", "domain"} & out.keys.keys():
        out.doubts = [doubt for doubt in out.doubts if doubt != _MAY_COUNT]
    out.keys["description"] = "; ".join(note for note in notes if note)
    return out


def _set_type(out: SheetField, row: FieldRow, place: Place, words: set[str], notes: list[str], *, fixed: bool) -> None:
    """Type, format, decimals and sign, by type, format, length, decimals and description together."""
    kind, form = row[Column.TYPE], row[Column.FORMAT]
    picture = place.picture
    word = type_word(kind) or (type_word(form) if form else None)
    moment = (
        date_format_of(form, whole=True)
        or date_format_of(kind, whole=True)
        or next((found for text in (form, *notes, row[Column.DOMAIN]) if (found := date_format_of(text))), None)
    )
    if kind and type_word(kind) is None and picture_of(kind) is None and not date_format_of(kind, whole=True):
        out.doubts.append(f"the type is not known: {kind}")
    if is_packed(f"{kind} {form}"):
        out.doubts.append("packed or binary in the sheet (COMP): it cannot be read as text, ask for it in characters")
    elif form and not (picture_of(form) or type_word(form) or date_format_of(form) or decimals_in(form) is not None):
        out.doubts.append(f"the format was not understood, and is in the description: {form}")
        notes.append(form)
    decimals = _decimals(out, row, place)
    textual = word is FieldType.TEXT or (picture is not None and not picture.numeric)
    if picture is not None and word is not None and (word is FieldType.TEXT) == picture.numeric and not moment:
        out.doubts.append(f"the type says {kind or form}, the picture {'9' if picture.numeric else 'X'}: read as text")
        textual, decimals = True, None
    if moment is not None:
        _set_moment(out, *moment)
        out.may_be = frozenset({moment[1]})
    elif isinstance(word, FieldType) and word in _MOMENTS:
        _guess_moment(out, word)
    elif word is FieldType.DECIMAL or decimals:
        _set_decimal(out, place, decimals, textual=textual, fixed=fixed)
    elif textual:
        out.may_be = frozenset({FieldType.TEXT})
    elif word is not None or picture is not None:
        _set_number(out, word is FieldType.INTEGER, words)
    elif not kind or picture_of(kind) is None:
        if not kind:
            out.doubts.append("the sheet says no type: read as text")
        else:
            out.doubts.append("read as text")
    if picture is not None and picture.signed and not textual:
        _set_sign(out, place)


def _decimals(out: SheetField, row: FieldRow, place: Place) -> int | None:
    """How many decimals, by whatever says it; those that disagree are a doubt with both numbers."""
    cell = re.sub(r"[.,]0+$", "", row[Column.DECIMALS])  # 2.0 is a 2 that a formula made
    said: dict[str, int] = {}
    if place.picture is not None and place.picture.numeric:
        said["the picture"] = place.picture.decimals
    if cell.isdecimal():
        said["the column of decimals"] = int(cell)
    elif cell not in {"", "-"}:
        out.doubts.append(f"the decimals are no number: {cell}")
    if place.decimals:
        said["the length"] = place.decimals
        if not place.says_position and place.picture is None:
            text = f"the length says {place.width},{place.decimals}: {place.width} bytes in all were taken"
            out.doubts.append(f"{text}, the {place.decimals} decimals among them")
    spoken = decimals_in(f"{row[Column.FORMAT]} {row[Column.DESCRIPTION]}")
    if spoken is not None and not any(said.values()):
        said = {"the text": spoken}
    if len(set(said.values())) > 1:
        numbers = ", ".join(f"{who} says {number}" for who, number in said.items())
        taken = next(number for number in said.values() if number)
        out.doubts.append(f"decimals disagree: {numbers}: {taken} were taken")
        return taken
    return next(iter(said.values()), None)


def _set_moment(out: SheetField, form: str, kind: FieldType) -> None:
    out.keys |= {"type": kind.value, "format": form}
    if out.width is not None and out.width != len(form):
        out.doubts.append(f"the format {form} has {len(form)} characters, the field {out.width}")


def _guess_moment(out: SheetField, kind: FieldType) -> None:
    """The format of a date or time of which only the length is known."""
    by_width = {
        (FieldType.DATE, 6): "DDMMAA",
        (FieldType.DATE, 8): "AAAAMMDD",
        (FieldType.TIME, 4): "HHMM",
        (FieldType.TIME, 6): "HHMMSS",
        (FieldType.TIME, 5): "HH:MM",
        (FieldType.DATETIME, 14): "AAAAMMDDHHMISS",
    }
    usual = {
        FieldType.DATE: "DD/MM/AAAA",
        FieldType.TIME: "HH:MM:SS",
        FieldType.DATETIME: "DD/MM/AAAA HH:MM:SS",
    }[kind]
    form = by_width.get((kind, out.width or 0), usual)
    _set_moment(out, form, kind)
    out.guessed.add("format")
    others = " (it may be DDMMAAAA)" if form == "AAAAMMDD" else ""
    out.doubts.append(f"the sheet does not say how the {kind.value} is written: {form} was taken{others}")
    out.may_be |= {kind}


def _set_decimal(out: SheetField, place: Place, decimals: int | None, *, textual: bool, fixed: bool) -> None:
    picture = place.picture
    if decimals is None:
        decimals = 2
        out.guessed.add("decimals")
        out.doubts.append("the sheet does not say how many decimals: 2 were taken")
    if textual:
        out.doubts.append(f"called text, with {decimals} decimals: read as a number")
    if decimals > 12:
        out.doubts.append(f"{decimals} decimals are more than the 12 that are read")
        decimals = 12
    out.keys |= {"type": FieldType.DECIMAL.value, "decimals": decimals}
    if picture is not None and picture.decimal_mark:
        out.keys["decimal_mark"] = picture.decimal_mark
        if picture.thousands_mark:
            out.keys["thousands_mark"] = picture.thousands_mark
    elif not fixed:
        out.keys["decimal_mark"] = ","
        out.guessed |= {"decimal_mark", "thousands_mark"}
        out.doubts.append("the sheet does not say the decimal mark: a comma was taken")
    out.may_be = frozenset({FieldType.DECIMAL})


def _set_number(out: SheetField, whole: bool, words: set[str]) -> None:
    """A number without decimals: what names something is text, whose zeros on the left count."""
    out.may_be = frozenset({FieldType.INTEGER}) if whole else _NUMBERS | _MOMENTS
    if words & DOCUMENTS:
        out.may_be = frozenset({FieldType.TEXT, *_NUMBERS})
        out.doubts.append("a number in the sheet, read as text: a CNPJ has letters since July 2026")
    elif words & DATES and (out.width or 8) in {6, 8}:
        _guess_moment(out, FieldType.DATE)
    elif _CONTRACT.fullmatch(out.name) and out.width:
        out.keys |= {"type": FieldType.DIGITS.value, "zero_pad": out.width}
    elif whole or (words & QUANTITIES and not words & (IDENTIFIERS - NUMBERING)):
        if (out.width or 0) > 18:
            out.keys["type"] = FieldType.DIGITS.value
            out.doubts.append(f"a whole number of {out.width} digits is too long for one: read as digits")
        else:
            out.keys["type"] = FieldType.INTEGER.value
    elif words & AMOUNTS:
        out.keys["type"] = FieldType.DIGITS.value if (out.width or 0) > 18 else FieldType.INTEGER.value
        out.doubts.append("an amount without decimals: if they are implied (cents), write `type: decimal, decimals: 2`")
    else:
        out.keys["type"] = FieldType.DIGITS.value
        if not words & IDENTIFIERS and not is_filler(out.name):
            out.doubts.append(_MAY_COUNT)


def _set_sign(out: SheetField, place: Place) -> None:
    picture = place.picture
    if picture is None or out.type not in {FieldType.DIGITS, FieldType.INTEGER, FieldType.DECIMAL}:
        return
    if out.type is FieldType.DIGITS:
        out.keys["type"] = FieldType.INTEGER.value
        out.keys.pop("zero_pad", None)
    out.keys["signed"] = place.sign or "leading"
    if place.sign:
        return
    out.guessed.add("signed")
    if out.width == picture.width + 1:
        out.doubts.append("one byte more than its digits, for a sign: taken as the first one (`signed: trailing` else)")
    else:
        out.doubts.append(
            "a sign without a byte of its own: a - before the digits is read, one put over the last digit is not"
        )


def _set_required(out: SheetField, cell: str) -> None:
    word = plain(cell)
    if word in YES or cell in TICKS:
        out.keys["required"] = True
    elif word in NO:
        out.keys["required"] = False
    elif cell not in {"", "-"}:
        out.doubts.append(f"whether it is required was not understood: {cell}")


def _set_personal(out: SheetField, words: set[str]) -> None:
    """Personal data by its name, so that it is masked from the first file on; a sheet never says it."""
    found = next((kind for word, kind in PERSONAL.items() if word in words), None)
    if found is None or (words & NOT_OF_PEOPLE and found != "document") or out.type in _MOMENTS:
        return
    out.keys["personal"] = found
    if words & DOCUMENTS and out.type is FieldType.TEXT:
        rule = "cpf_cnpj" if "cpf" in words else "cnpj"
        out.keys["checks"] = [{"rule": rule, "severity": "flag"}]


def _set_codes(out: SheetField, row: FieldRow, notes: list[str]) -> None:
    """The constant or the codes of a field. A text that is neither goes into the description, and is a doubt."""
    constant, text = row[Column.CONSTANT], row[Column.DOMAIN]
    blank = plain(constant or text) in {*BLANKS, ""}
    if blank or date_format_of(text) or (text and text == row[Column.FORMAT]):
        return
    only = constant_in(text, constant, out.width)
    codes = codes_in(text)
    if only is not None and out.type not in _MOMENTS:
        out.keys["equals"] = only
        return
    if codes and out.type in {FieldType.TEXT, *_NUMBERS}:
        out.keys["domain"] = _of_full_width(out, codes)
        return
    notes.append(constant or text)
    out.doubts.append(f"the codes were not understood, and are in the description: {constant or text}")


def _of_full_width(out: SheetField, codes: dict[str, str]) -> dict[str, str]:
    """The codes as they stand in the file: a spreadsheet loses the zeros on the left of 01."""
    width = out.width or 0
    if out.type is FieldType.INTEGER and not all(code.isdecimal() for code in codes):
        out.keys["type"] = FieldType.TEXT.value
        out.doubts.append("a number in the sheet, with codes that are none: read as text")
    if out.type is not FieldType.INTEGER and all(code.isdecimal() for code in codes):
        short = [code for code in codes if len(code) < width]
        if short and (out.type is FieldType.DIGITS or len({len(code) for code in codes}) > 1):
            out.doubts.append(f"codes of less than {width} digits ({', '.join(short)}): zeros were put before them")
            return {code.zfill(width): meaning for code, meaning in codes.items()}
    long = [code for code in codes if width and len(code) > width]
    if long:
        out.doubts.append(f"codes longer than the field's {width} bytes: {', '.join(long)}")
    return codes
