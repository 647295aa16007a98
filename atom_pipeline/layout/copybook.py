"""COBOL copybooks as trees of data items: levels, pictures, OCCURS, VALUE, condition names, each with its line.

Only the language belongs here, in fixed format (columns 7 to 72) and free format. What ATOM's files can hold decides
what is refused: bytes of one meaning, in characters. So REDEFINES, OCCURS DEPENDING, packed and binary numbers, and a
sign over a digit are refused, all of them at once. What a field becomes is in ``copybook_records``.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Literal

from atom_pipeline.layout.sheet_files import SheetError

Code = tuple[str, str]  # a value, or the first and the last one of a range


@dataclass
class Item:
    """A data item. ``value`` is a literal without quotes, None for none or a figurative constant.

    ``signed`` says where a separate sign stands, empty for none. ``conditions`` are the names of level 88 and their
    values. ``comment`` is what stands after ``*>`` on its lines, or alone on the line above.
    """

    line: int
    level: int
    name: str
    picture: str = ""
    times: int = 1
    signed: Literal["", "leading", "trailing"] = ""
    value: str | None = None
    comment: str = ""
    conditions: list[tuple[str, list[Code]]] = field(default_factory=list)
    children: list[Item] = field(default_factory=list)
    right: bool = False  # JUSTIFIED


@dataclass
class Copybook:
    """The records of a copybook, and whether a comma parts the decimals. ``cut`` are lines with text past column 72."""

    records: list[Item]
    comma: bool
    cut: list[int]


@dataclass
class _Line:
    number: int
    text: str
    comment: str


_TOKEN = re.compile(r"""(?P<literal>[XNGZ]?(?:'(?:[^']|'')*'|"(?:[^"]|"")*"))(?P<end>\.?)|(?P<word>[^\s'"]+)""", re.I)
_FIXED = re.compile(r"[^\n]{6}[ *\-/Dd]")
_LEVEL = re.compile(r"\s*\d{1,2}\s+[A-Za-z:]")
_COBOL = re.compile(r"^(?:.{6}[ ])?\s*\d{1,2}\s+[A-Z0-9:][\w:-]*[^\n]*\bPIC(?:TURE)?\b", re.IGNORECASE | re.MULTILINE)
_PACKED = re.compile(r"(?:COMP(?:UTATIONAL)?(?:-[1-6X])?|BINARY|PACKED-DECIMAL)", re.IGNORECASE)
_OTHER_USES = frozenset({"INDEX", "POINTER", "NATIONAL", "DISPLAY-1", "PROCEDURE-POINTER", "FUNCTION-POINTER"})
_FIGURATIVE = re.compile("(?:SPACES?|ZERO(?:E?S)?|(?:LOW|HIGH)-VALUES?|QUOTES?|NULLS?)", re.IGNORECASE)
_NOISE = frozenset({"IS", "ARE", "TIMES", "CHARACTER", "RIGHT", "LEFT", "SYNC", "SYNCHRONIZED", "GLOBAL", "EXTERNAL"})
_ALONE = re.compile(r"\s*(?:EJECT|SKIP[123]|TITLE\b.*|>>.*|CBL\b.*|PROCESS\b.*)\.?\s*", re.IGNORECASE)


def is_copybook(text: str) -> bool:
    """Whether a text holds a level with a picture."""
    return bool(_COBOL.search(text))


def parse_copybook(text: str, file: str) -> Copybook:
    """The records of a copybook. Raises SheetError with every line that is refused or not understood."""
    problems: list[tuple[int, str]] = []
    lines, cut = _lines_of(text)
    comma = bool(re.search(r"DECIMAL-POINT\s+IS\s+COMMA", text, re.IGNORECASE))
    roots: list[Item] = []
    stack: list[Item] = []
    for sentence in _sentences(lines):
        _take(_Sentence(sentence, problems), roots, stack)
    for root in roots:
        _inherit(root, "", problems)
    if not roots and not problems:
        problems.append((1, "no data item: a copybook has levels such as `05 CONTRATO PIC 9(10).`"))
    if problems:
        told = "\n".join(f"{file}:{line}: {message}" for line, message in sorted(set(problems)))
        raise SheetError(f"the copybook cannot become a layout:\n{told}")
    return Copybook(roots, comma, cut)


def _lines_of(text: str) -> tuple[list[_Line], list[int]]:
    """The lines of code, their comments apart, and those whose text past column 72 was cut."""
    raw = [line.expandtabs(8).rstrip() for line in text.splitlines()]
    fixed = _is_fixed(raw)
    out: list[_Line] = []
    cut: list[int] = []
    above = ""  # a comment that stands alone on its line
    for number, line in enumerate(raw, start=1):
        if fixed:
            if len(line) > 72 and re.search(r"[^\d\s]", line[72:80]):
                cut.append(number)
            mark, code = line[6:7], line[7:72]
            if mark in {"*", "/"}:
                above = code
                continue
            if mark == "-" and out:
                out[-1].text += code.lstrip().removeprefix("'").removeprefix('"')
                continue
        else:
            code = line
        code, _, comment = code.partition("*>")
        if not code.strip() or _ALONE.fullmatch(code):
            above = comment or ("" if code.strip() else above)
            continue
        comment, above = comment or above, ""
        out.append(_Line(number, code, comment.strip(" *-=_")))
    return out, cut


def _is_fixed(lines: Sequence[str]) -> bool:
    filled = [line for line in lines if line.strip() and not line.lstrip().startswith("*>")]
    if any(re.match(r"\s*>>\s*SOURCE\b.*\bFREE", line, re.IGNORECASE) for line in lines):
        return False
    shaped = all(_FIXED.match(line.ljust(7)) and not _LEVEL.match(line[:7] + "x") for line in filled)
    return shaped and all(len(line) <= 80 for line in filled)


def _sentences(lines: Sequence[_Line]) -> Iterator[list[tuple[int, str, str]]]:
    """Tokens up to each period, with line and comment. A literal keeps its quotes."""
    tokens: list[tuple[int, str, str]] = []
    for line in lines:
        for found in _TOKEN.finditer(line.text):
            word = found["literal"] or found["word"]
            ends = found["end"] == "." or (found["word"] is not None and word.endswith("."))
            if found["word"] is not None:
                word = word.removesuffix(".").rstrip(",;")
            if word:
                tokens.append((line.number, word, line.comment))
            if ends and tokens:
                yield tokens
                tokens = []
    if tokens:
        yield tokens


class _Sentence:
    """The tokens of one sentence, taken from the left."""

    def __init__(self, tokens: list[tuple[int, str, str]], problems: list[tuple[int, str]]) -> None:
        self.tokens = tokens
        self.line = tokens[0][0]
        self.comment = "; ".join(dict.fromkeys(comment for _, _, comment in tokens if comment))
        self._at = 0
        self._problems = problems

    def peek(self) -> str:
        """The next word in capitals, empty at the end."""
        return self.tokens[self._at][1].upper() if self._at < len(self.tokens) else ""

    def take(self) -> str:
        """The next word as it is written, empty at the end."""
        word = self.tokens[self._at][1] if self._at < len(self.tokens) else ""
        self._at += 1
        return word

    def skip(self, *words: str) -> None:
        while self.peek() in words:
            self._at += 1

    def refuse(self, message: str) -> None:
        at = min(self._at, len(self.tokens) - 1)
        self._problems.append((self.tokens[max(at - 1, 0)][0], message))


def _take(sentence: _Sentence, roots: list[Item], stack: list[Item]) -> None:
    """Put the item of a sentence where its level says."""
    first = sentence.take()
    if not first.isdecimal():
        if first.upper() in {"COPY", "EXEC", "REPLACE"}:
            sentence.refuse(f"{first.upper()}: put the text it stands for in its place")
        elif first.upper() not in {"FD", "SD"} and not _is_division(sentence):
            sentence.refuse(f"not understood: {first} (a level such as 05 was expected)")
        return
    level = int(first)
    if level == 88:
        _take_condition(sentence, stack)
        return
    if level == 66:
        sentence.refuse("RENAMES (level 66) is a second meaning of the same bytes: take it out")
        return
    if not (1 <= level <= 49 or level == 77):
        sentence.refuse(f"level {level} does not exist")
        return
    item = _item(sentence, level)
    while stack and (stack[-1].level >= level or level == 77):
        stack.pop()
    siblings = stack[-1].children if stack else roots
    siblings.append(item)
    stack.append(item)


def _is_division(sentence: _Sentence) -> bool:
    """Whether a sentence only says where in a program the items stand."""
    words = {word.upper() for _, word, _ in sentence.tokens}
    return bool(words & {"DIVISION", "SECTION", "DECIMAL-POINT", "SPECIAL-NAMES", "PROGRAM-ID"})


def _item(sentence: _Sentence, level: int) -> Item:
    clauses = {"PIC", "PICTURE", "REDEFINES", "OCCURS", "USAGE", "VALUE", "SIGN", ""}
    unnamed = sentence.peek() in clauses or _PACKED.fullmatch(sentence.peek())
    name = "FILLER" if unnamed else re.sub(r":[^:]*:-?", "", sentence.take())
    item = Item(sentence.line, level, name, comment=sentence.comment)
    while sentence.peek():
        _take_clause(sentence, item)
    if item.picture and re.match(r"\+|-|S", item.picture, re.IGNORECASE) and not item.signed:
        item.signed = "leading" if item.picture[0] in "+-" else ""
    return item


def _take_clause(sentence: _Sentence, item: Item) -> None:
    word = sentence.take().upper()
    match word:
        case "PIC" | "PICTURE":
            sentence.skip("IS")
            item.picture = sentence.take()
        case "REDEFINES":
            text = f"REDEFINES {sentence.take()}: the same bytes would have two meanings; keep the one that your files"
            sentence.refuse(f"{item.name} {text} have, or write each as a 01 record with a field that tells them apart")
        case "OCCURS":
            _take_occurs(sentence, item)
        case "SIGN" | "LEADING" | "TRAILING":
            _take_sign(sentence, item, word)
        case "VALUE" | "VALUES":
            sentence.skip("IS", "ARE")
            item.value = _literal(sentence)
        case "JUST" | "JUSTIFIED":
            item.right = True
        case "BLANK":
            sentence.skip("WHEN", "ZERO", "ZEROS", "ZEROES")
        case "USAGE" | "DISPLAY":
            sentence.skip("IS")
        case _ if word in _NOISE:
            pass
        case _ if _PACKED.fullmatch(word) or word in _OTHER_USES:
            text = "is not in characters, and cannot be read here: ask for the file with USAGE DISPLAY"
            sentence.refuse(f"{item.name} {word} {text} (unpacked)")
        case _:
            sentence.refuse(f"{item.name}: not understood: {word}")


def _take_occurs(sentence: _Sentence, item: Item) -> None:
    count = sentence.take()
    item.times = int(count) if count.isdecimal() else 1
    if not count.isdecimal():
        sentence.refuse(f"{item.name}: OCCURS without a number: {count}")
    elif not 1 <= item.times <= 99:
        sentence.refuse(f"{item.name}: OCCURS {count}: a group repeats 1 to 99 times")
    ranged = sentence.peek() == "TO"
    if ranged:
        sentence.take()
        sentence.take()
    sentence.skip("TIMES")
    if sentence.peek() == "DEPENDING" or ranged:
        sentence.skip("DEPENDING", "ON")
        other = sentence.take()
        text = f"OCCURS DEPENDING ON {other}: fields after it would move; write it with a fixed number of times"
        sentence.refuse(f"{item.name} {text}")
    while sentence.peek() in {"ASCENDING", "DESCENDING", "INDEXED"}:
        sentence.take()
        sentence.skip("KEY", "IS", "BY")
        sentence.take()


def _take_sign(sentence: _Sentence, item: Item, word: str) -> None:
    if word == "SIGN":
        sentence.skip("IS")
        word = sentence.take().upper()
    separate = sentence.peek() == "SEPARATE"
    sentence.skip("SEPARATE", "CHARACTER")
    if word not in {"LEADING", "TRAILING"}:
        sentence.refuse(f"{item.name}: SIGN is LEADING or TRAILING, not {word}")
    elif not separate:
        sentence.refuse(f"{item.name}: SIGN {word} {_OVERPUNCHED}")
    else:
        item.signed = "leading" if word == "LEADING" else "trailing"


_OVERPUNCHED = (
    "without SEPARATE puts the sign over a digit, which is not read: ask for SIGN LEADING (or TRAILING) SEPARATE, "
    "or take the S away if it is never negative"
)


def _take_condition(sentence: _Sentence, stack: Sequence[Item]) -> None:
    name = sentence.take()
    if sentence.peek() not in {"VALUE", "VALUES"} or not stack:
        sentence.refuse(f"{name}: a level 88 has a VALUE, and stands under a field")
        return
    sentence.take()
    sentence.skip("IS", "ARE")
    codes: list[Code] = []
    while sentence.peek():
        first = _literal(sentence)
        last = first
        if sentence.peek() in {"THRU", "THROUGH"}:
            sentence.take()
            last = _literal(sentence)
        if first is not None and last is not None:
            codes.append((first, last))
    stack[-1].conditions.append((name, codes))


def _literal(sentence: _Sentence) -> str | None:
    """The next literal without its quotes; None for SPACES and the like."""
    word = sentence.take()
    if word.upper() == "ALL":
        sentence.take()
        return None
    if _FIGURATIVE.fullmatch(word):
        return None
    if word[:1] in {"'", '"'}:
        return word[1:-1].replace(word[0] * 2, word[0])
    if not re.fullmatch(r"[+-]?[\d.,]+", word):
        sentence.refuse(f"a value that was not understood: {word}")
    return word


def _inherit(item: Item, signed: Literal["", "leading", "trailing"], problems: list[tuple[int, str]]) -> None:
    """Hand a group's SIGN to its fields; refuse what has neither picture nor fields, and signs over a digit."""
    signed = item.signed or signed
    if item.children and item.picture:
        problems.append((item.line, f"{item.name} has a picture, and fields under it: one of both"))
    if not item.children and not item.picture and not any(line == item.line for line, _ in problems):
        problems.append((item.line, f"{item.name} has neither a picture nor fields under it"))
    if item.picture:
        if re.match("[NG]", item.picture, re.IGNORECASE):
            text = "national characters have two bytes each, which are not read here: ask for PIC X"
            problems.append((item.line, f"{item.name} PIC {item.picture}: {text}"))
        in_digits = re.match(r"S", item.picture, re.IGNORECASE)
        item.signed = signed if in_digits or item.picture[0] in "+-" else ""
        if in_digits and not signed and not any(line == item.line for line, _ in problems):
            problems.append((item.line, f"{item.name} PIC {item.picture} {_OVERPUNCHED}"))
        if "P" in item.picture.upper().replace("PIC", ""):
            problems.append((item.line, f"{item.name} PIC {item.picture}: P scales a number by digits not in the file"))
    for child in item.children:
        _inherit(child, signed, problems)
