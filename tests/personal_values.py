"""What is personal in a folder of the bank's files, and where a text holds some of it.

The files are taken apart here by bytes and columns, not by the code under test, so that lines it refuses count too.
Values are compared whole: a run of digits with a document or phone, words in sequence with a name or a street. So a
date or a hash that contains a number is no find, and a number of eight digits in a longer one is none either.
"""

from __future__ import annotations

import csv
import json
import re
import unicodedata
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import date
from itertools import pairwise
from pathlib import Path
from typing import Any

from stdnum.br import cpf

from atom_pipeline.layout.model import FixedFormat, Layout, Personal

Phrase = tuple[str, ...]

SHORTEST = 8  # digits: fewer are found everywhere by chance
EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+")
# Identifiers made by machines, the decimals of a number, and moments in seconds: not where a document would be.
MADE = re.compile(r"\b(?:[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}|[0-9a-f]{32}(?:[0-9a-f]{8}|[0-9a-f]{32})?)\b")
DIGITS = re.compile(r"(?<!\d)(?<!\d\.)\d{8,}")
CNPJ = re.compile(r"(?<![0-9A-Z])[0-9A-Z]{12}[0-9]{2}(?![0-9A-Z])")
WRITTEN = re.compile(
    r"(?<!\d)(?<!\d\.)(?:\d{3}\.\d{3}\.\d{3}-\d{2}|[0-9A-Z]{2}\.[0-9A-Z]{3}\.[0-9A-Z]{3}/[0-9A-Z]{4}-\d{2}"
    r"|\(?\d{2}\)?[ -]?\d{4,5}[ -]?\d{4}|\d{4,5}[ -]\d{4}|\d{5}-\d{3})(?!\d)"
)
WORD = re.compile(r"[^\W\d_]+")


@dataclass
class PersonalValues:
    """Every personal value of some files. Each has a word for its kind, since a find is told without the value."""

    numbers: dict[str, str] = field(default_factory=dict)  # documents, phones, CEPs without punctuation: kind
    emails: set[str] = field(default_factory=set)
    phrases: dict[Phrase, str] = field(default_factory=dict)  # names and streets, plain words: kind
    by_pair: dict[Phrase, list[Phrase]] = field(default_factory=dict)  # phrases by their first two words

    def add(self, kind: Personal, name: str, value: str, ddd: str = "") -> None:
        """One value of a field ``name``, as the file has it; ``ddd`` is that of a phone."""
        value = value.strip()
        if kind is Personal.EMAIL and "@" in value:
            self.emails.add(value.casefold())
        elif kind is Personal.NAME or (kind is Personal.ADDRESS and ("logradouro" in name or "localizacao" in name)):
            words = words_of(value)
            if len(words) > 1 and words not in self.phrases:
                self.phrases[words] = kind.value
                self.by_pair.setdefault(words[:2], []).append(words)
        elif kind in {Personal.DOCUMENT, Personal.PHONE} or "cep" in name:
            plain = re.sub(r"[\s.,()/-]", "", value).upper()
            self._add_number(plain, kind.value)
            self._add_number(plain.lstrip("0"), kind.value)
            if kind is Personal.DOCUMENT and cpf.is_valid(plain[-11:]) and not plain[:-11].strip("0"):
                self._add_number(plain[-11:], kind.value)
            if kind is Personal.PHONE and ddd.strip("0 "):
                self._add_number(ddd.strip().lstrip("0") + plain.lstrip("0"), kind.value)

    def _add_number(self, plain: str, kind: str) -> None:
        if len(plain) >= SHORTEST and len(set(plain)) > 1:
            self.numbers[plain] = kind

    def count(self) -> int:
        return len(self.numbers) + len(self.emails) + len(self.phrases)

    def found_in(self, text: str) -> set[tuple[str, str]]:
        """(kind, value) of each personal value that stands in a text."""
        text = MADE.sub(" ", text)
        found = {(self.numbers[one], one) for one in numbers_in(text) & self.numbers.keys()}
        if "@" in text:
            found |= {("email", one) for one in {one.casefold() for one in EMAIL.findall(text)} & self.emails}
        words = words_of(text)
        begun = [phrase for pair in {*pairwise(words)} & self.by_pair.keys() for phrase in self.by_pair[pair]]
        if begun:
            sequence = f" {' '.join(words)} "
            found |= {(self.phrases[one], " ".join(one)) for one in begun if f" {' '.join(one)} " in sequence}
        return found


def numbers_in(text: str) -> set[str]:
    """Whole runs of digits, bare CNPJs with letters, and documents, phones and CEPs as people write them."""
    written = {re.sub(r"\W", "", one) for one in WRITTEN.findall(text)}
    return {*DIGITS.findall(text), *CNPJ.findall(text), *written}


def words_of(text: str) -> Phrase:
    """The words of a text without case and accents."""
    plain = "".join(one for one in unicodedata.normalize("NFKD", text) if not unicodedata.combining(one))
    return tuple(WORD.findall(plain.casefold()))


# The files.


def fields_of_file(path: Path, layout: Layout, day: date) -> Iterator[dict[str, str]]:
    """The fields of every detail line by name, whatever is wrong with the line."""
    version = layout.version_on(day)
    encoding = version.format.encoding
    if isinstance(version.format, FixedFormat):
        for line in path.read_bytes().splitlines():
            for record in version.details:
                values = {f.name: line[start:stop].decode(encoding) for f, start, stop in record.spans()}
                if record.match is None or values[record.match.field].strip() == record.match.equals:
                    yield values
        return
    names = [one.name for one in version.details[0].fields]
    titles = [one.title or one.name for one in version.details[0].fields]
    with path.open(encoding=encoding, newline="") as lines:
        for row in csv.reader(lines, delimiter=version.format.delimiter):
            if row != titles:
                yield dict(zip(names, row, strict=False))


def ddd_of(name: str, values: Mapping[str, str]) -> str:
    """The DDD that belongs to a phone's field: `telefone_3_ddd` to `telefone_3_numero`."""
    return values.get(f"{name.rpartition('_')[0]}_ddd", "")


# What may hold them.


def pieces(value: Any) -> Iterator[str]:
    """The texts in a value of a database or a file: JSON in JSON unpacked, so that no escape hides an accent."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from pieces(name)
            yield from pieces(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from pieces(inner)
    elif isinstance(value, bytes | memoryview):
        raw = bytes(value)
        with suppress(zlib.error):  # Dagster packs some of what it stores
            raw = zlib.decompress(raw)
        yield from pieces(raw.decode("utf-8", "replace"))
    elif isinstance(value, str):
        inner = unpacked(value) if value[:1] in {"{", "[", '"'} else None
        if inner is None:
            yield value
        else:
            yield from pieces(inner)
    elif value is not None:
        yield str(value)


def unpacked(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def leaks(values: PersonalValues, places: Mapping[str, Iterable[Any]]) -> dict[str, set[tuple[str, str]]]:
    """Where personal values stand, by the name of the place; only places that hold any."""
    known: dict[str, set[tuple[str, str]]] = {}
    out: dict[str, set[tuple[str, str]]] = {}
    for place, contents in places.items():
        for text in {piece for content in contents for piece in pieces(content)}:
            if text not in known:
                known[text] = values.found_in(text)
            if known[text]:
                out.setdefault(place, set()).update(known[text])
    return out
