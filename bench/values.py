"""What each field's value is, for the peers: the facts of a layout that make a type, not those that check it."""

from __future__ import annotations

from dataclasses import dataclass

from atom_pipeline.layout.dates import spelling
from atom_pipeline.layout.documents import document_rule
from atom_pipeline.layout.model import Field, FieldType

_KNOWN = {FieldType.TEXT, FieldType.DIGITS, FieldType.INTEGER, FieldType.DECIMAL, FieldType.DATE}


@dataclass(frozen=True)
class Usual:
    """A field as a peer reads it. ``is_document``: a CPF that stands with zeros before it is its last 11 digits."""

    field: Field
    directive: str
    strip_zeros: bool
    pad: int
    is_document: bool
    sign: str  # where it stands: leading, trailing or nowhere


def usual(field: Field) -> Usual:
    """The facts of a field. Raises ValueError for one that the peers do not know."""
    if field.type not in _KNOWN or field.suffix or field.decimal_mark or field.thousands_mark:
        raise ValueError(f"{field.name}: the peers do not read such a field")
    directive = spelling(field.format).directive if field.format else ""
    return Usual(
        field, directive, field.strip_zeros, field.zero_pad or 0, document_rule(field) is not None, field.signed
    )
