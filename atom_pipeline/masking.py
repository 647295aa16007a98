"""Personal data made unreadable wherever a person or a machine other than the base reads it: samples, logs, messages.

What is masked keeps just enough to tell two rows of a sample apart. Which fields are personal is the layout's to say.
Values of a few rows are masked one by one here; nothing masks a whole table, since no table is shown whole.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime

import polars as pl
from stdnum.br import cnpj

from atom_pipeline.layout.model import Layout, Personal

HIDDEN = "***"
_KEPT = 2  # characters left at the end of a document or phone

# The account and host of a server's URL without its password are no address of e-mail, and say which server it is.
_EMAIL = re.compile(
    r"(?P<server>\b(?:sftp|ftps?|https?|postgresql)://[\w.~%-]+(?::\*+)?@[\w.-]+)"
    r"|[\w.!#$%&'*+/=?^`{|}~-]+@[\w-]+(?:\.[\w-]+)+"
)
# A formatted document or phone, and a bare run of digits: neither within a longer word or the decimals of a number.
_FORMATTED = re.compile(
    r"(?<!\w)(?:"
    r"[0-9]{3}\.[0-9]{3}\.[0-9]{3}-[0-9]{2}"  # CPF
    r"|[0-9A-Z]{2}\.[0-9A-Z]{3}\.[0-9A-Z]{3}/[0-9A-Z]{4}-[0-9]{2}"  # CNPJ
    r"|(?:\+?55[ -]?)?\(0?[1-9][0-9]\) ?9?[ .]?[0-9]{4}[ .-]?[0-9]{4}"  # (11) 91234-5678
    r"|(?:\+?55[ -]?)?(?:0?[1-9][0-9][ -])?9?[ .]?[0-9]{4}-[0-9]{4}"  # 11 91234-5678, 1234-5678
    r"|(?:\+?55[ -]?)?0?[1-9][0-9] 9?[0-9]{8}"  # 11 912345678
    r"|\+55[1-9][0-9]9?[0-9]{8}"
    r")(?!\w)"
)
# Quoted text with a blank in it; an apostrophe within a word ends no quote.
_QUOTED = re.compile(
    r"""(?<!\w)(?:"[^"\n]*\S [^"\n]*"|'(?:[^'\n]|(?<=\w)'(?=\w))*\S (?:[^'\n]|(?<=\w)'(?=\w))*')(?!\w)"""
)
_BARE = re.compile(r"(?<![0-9A-Za-z])(?<![0-9][.,])(?:[0-9A-Z]{8,14}|[0-9]{15,})(?![0-9A-Za-z])")
_STAMPS = {8: ("%Y%m%d", "%d%m%Y"), 12: ("%d%m%y%H%M%S",), 14: ("%Y%m%d%H%M%S", "%d%m%Y%H%M%S")}


def mask_document(value: str) -> str:
    """A CPF or CNPJ, or any identifier: all but the last two characters hidden."""
    return _tail(value)


def mask_phone(value: str) -> str:
    """A phone, with or without DDD: all but the last two characters hidden."""
    return _tail(value)


def mask_name(value: str) -> str:
    """A name: the initial of each word. ``Maria da Silva`` is ``M*** d*** S***``."""
    return " ".join(f"{word[0]}{HIDDEN}" for word in value.split())


def mask_email(value: str) -> str:
    """An address of e-mail: the first character. ``maria@example.com`` is ``m***@***``."""
    return f"{value[:1]}{HIDDEN}@{HIDDEN}" if "@" in value[1:] else HIDDEN


def mask_address(value: str) -> str:
    """Part of a postal address, or a line that holds anything: nothing is left."""
    return HIDDEN if value else ""


MASKS: Mapping[Personal, Callable[[str], str]] = {
    Personal.DOCUMENT: mask_document,
    Personal.NAME: mask_name,
    Personal.PHONE: mask_phone,
    Personal.EMAIL: mask_email,
    Personal.ADDRESS: mask_address,
}


def personal_columns(layout: Layout) -> dict[str, Personal]:
    """The personal fields of a layout by (expanded) name, in any version and record."""
    records = (record for version in layout.versions for record in version.records)
    return {field.name: field.personal for record in records for field in record.fields if field.personal}


def mask_frame(frame: pl.DataFrame, personal: Layout | Mapping[str, Personal]) -> pl.DataFrame:
    """A sample's rows with the personal columns masked; those become text, nulls stay, other columns are as they were.

    For the few rows that are shown: a column not named in ``personal`` is not looked into.
    """
    columns = personal_columns(personal) if isinstance(personal, Layout) else personal
    masked = [_mask_column(frame[name], MASKS[kind]) for name, kind in columns.items() if name in frame.columns]
    return frame.with_columns(masked)


def scrub(text: str) -> str:
    """Free text without what looks like a CPF, CNPJ, phone or e-mail address; names it cannot know.

    Dates and stamps as file names have them stay readable, so does any number of fewer than eight digits.
    """
    text = _EMAIL.sub(lambda found: found["server"] or mask_email(found[0]), text)
    text = _FORMATTED.sub(lambda found: _tail(found[0]), text)
    return _BARE.sub(lambda found: _tail(found[0]) if _is_personal(found[0]) else found[0], text)


def masked_words(error: BaseException) -> str | None:
    """The words of an unexpected error and of what caused it, masked; None when there was nothing to mask.

    Beside what ``scrub`` knows, quoted text of several words is hidden: so a library tells a name or a street that it
    could not use.
    """
    told = [_words(one) for one in _chain(error)]
    masked = [_QUOTED.sub(lambda found: f"{found[0][0]}{HIDDEN}{found[0][0]}", scrub(words)) for words in told]
    return None if masked == told else "; from ".join(masked)


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _words(error: BaseException) -> str:
    return "\n".join([f"{type(error).__name__}: {error}", *getattr(error, "__notes__", ())])


def _tail(value: str) -> str:
    kept = _KEPT if len(value) > 2 * _KEPT else 0
    return "*" * (len(value) - kept) + value[len(value) - kept :]


def _mask_column(column: pl.Series, mask: Callable[[str], str]) -> pl.Series:
    values = [None if value is None else mask(str(value)) for value in column.to_list()]
    return pl.Series(column.name, values, dtype=pl.String)


def _is_personal(token: str) -> bool:
    """Whether a bare run of 8 characters or more may be a document or a phone, and is not a date or stamp."""
    if not token.isdigit():
        return len(token) == 14 and bool(cnpj.is_valid(token))
    if any(_is_stamp(token, form) for form in _STAMPS.get(len(token), ())):
        return False
    if len(token) == 8:
        return token[0] in "2345"  # a landline without DDD
    if len(token) == 9:
        return token[0] == "9"  # a mobile without DDD
    return True


def _is_stamp(token: str, form: str) -> bool:
    try:
        moment = datetime.strptime(token, form)
    except ValueError:
        return False
    return 1900 <= moment.year < 2100
