"""One YAML document into its model, with everything that is wrong with it at once, each with file, line and remedy.

Reading YAML and placing findings on lines belongs here. What a document may say is in ``model`` and ``portfolio``; what
documents must say of each other is in ``catalogue``.

A scalar reaches the model as the text that stands in the document and is given its type there. YAML's own guesses
never apply: ``01`` stays a code, ``NO`` a word, ``12:00`` an hour. Only an empty value, ``~`` and ``null`` are nothing.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar, get_args, get_origin

import yaml
from pydantic import BaseModel, ValidationError

from atom_pipeline.errors import Finding, StructureError
from atom_pipeline.layout.model import FIELD_NAME, Layout
from atom_pipeline.portfolio import Portfolio

Model = TypeVar("Model", bound=BaseModel)
Loc = tuple[str | int, ...]
Report = Callable[[int, Loc, str], None]

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_CONTROL = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")  # YAML has none of these
_STANDARD_TAG = re.compile(r"tag:yaml\.org,2002:(null|bool|int|float|timestamp|str|seq|map|merge|value)")


@dataclass
class Place:
    """A value of a document and the line it stands on (that of its key, where it has one)."""

    value: Any  # dict, list, str or None
    line: int
    children: dict[str | int, Place] = field(default_factory=dict)


@dataclass(frozen=True)
class Document(Generic[Model]):
    """A document that was read: its model, its bytes, and where everything stands."""

    path: Path
    content: bytes
    value: Model
    root: Place

    def finding(self, loc: Loc, message: str) -> Finding:
        """A finding at a key of this document; the nearest key above it when that one was left out."""
        place, text = _walk(self.root, loc)
        return Finding(str(self.path), place.line, text, message)


def load_layout(path: Path) -> Layout:
    """The layout of a document. Raises StructureError with every finding."""
    return read_document(path, Layout).value


def load_portfolio(path: Path) -> Portfolio:
    """The portfolio of a document. Raises StructureError with every finding."""
    return read_document(path, Portfolio).value


def read_document(path: Path, model: type[Model]) -> Document[Model]:
    """Read and check one document. Raises StructureError with every finding."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise StructureError([Finding(str(path), 1, "", f"cannot be read: {error.strerror}")]) from error
    findings: list[Finding] = []

    def report(line: int, loc: Loc, message: str) -> None:
        text = _walk(root, loc)[1] if root else _text(loc)
        findings.append(Finding(str(path), line, text, message))

    root: Place | None = None
    node = _compose(content, report)
    if node is not None:
        root = _place(node, node.start_mark.line + 1, (), set(), report)
        value = _validated(model, root, report)
        if value is not None and not findings:
            return Document(path, content, value, root)
    raise StructureError(findings)


def _compose(content: bytes, report: Report) -> yaml.Node | None:
    """The document as YAML nodes; None when it is not YAML, which is reported."""
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        report(line, (), f"byte {error.start + 1} of the file is no character of UTF-8 text: save it as UTF-8")
        return None
    control = _CONTROL.search(text)
    if control:
        line = text[: control.start()].count("\n") + 1
        report(line, (), f"a control character (U+{ord(control[0]):04X}) stands here: take it out")
        return None
    try:
        node: yaml.Node | None = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        problem = ", ".join(part for part in (error.context, error.problem) if part)
        report(mark.line + 1 if mark else 1, (), f"not YAML: {problem}")
        return None
    if node is None:
        report(1, (), "the document is empty")
    return node


def _place(node: yaml.Node, line: int, loc: Loc, seen: set[int], report: Report) -> Place:
    """A node as plain values with lines. Reports what YAML allows and these documents do not."""
    if id(node) in seen:
        report(line, loc, "an alias (*name) is not read here: write the value out, or use a group")
        return Place(None, line)
    seen.add(id(node))
    if not _STANDARD_TAG.fullmatch(node.tag):
        report(line, loc, f"the tag {node.tag} is not read here: write the plain value")
    place = Place(None, line)
    if isinstance(node, yaml.ScalarNode):
        place.value = None if node.tag == "tag:yaml.org,2002:null" else node.value
    elif isinstance(node, yaml.SequenceNode):
        for number, item in enumerate(node.value):
            place.children[number] = _place(item, item.start_mark.line + 1, (*loc, number), seen, report)
        place.value = [child.value for child in place.children.values()]
    else:
        for key, item in node.value:
            at = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode):
                report(at, loc, "a key is a word, not a list or a mapping")
            elif key.value in place.children:
                first = place.children[key.value].line
                report(at, (*loc, key.value), f"the key stands twice, first on line {first}: keep one")
            else:
                place.children[key.value] = _place(item, at, (*loc, key.value), seen, report)
        place.value = {key: child.value for key, child in place.children.items()}
    return place


def _validated(model: type[Model], root: Place, report: Report) -> Model | None:
    """The model of the values, or None after every finding was reported."""
    try:
        return model.model_validate(root.value)
    except ValidationError as error:
        errors = error.errors(include_url=False)
    written = [item for item in errors if not _follows_from_another(model, root, item)]
    for item in written or errors:
        loc = item["loc"]
        if item["type"] == "consistency":
            for below, message in item["ctx"]["problems"]:
                report(_walk(root, (*loc, *below))[0].line, (*loc, *below), message)
        else:
            report(_walk(root, loc)[0].line, loc, _message(model, root, item))
    return None


def _walk(root: Place, loc: Loc) -> tuple[Place, str]:
    """The place of a location, and its path as text. Parts that only pydantic knows (which of a union) are skipped."""
    place, text, steps = root, "", list(loc)
    while steps:
        part = steps.pop(0)
        child = place.children.get(part)
        if child is not None:
            place = child
            text += _step(part, child)
        elif not steps and isinstance(part, str) and isinstance(place.value, dict) and not part.startswith("<"):
            text += _step(part, None)  # a key that is missing
    return place, text.lstrip(".")


def _step(part: str | int, child: Place | None) -> str:
    """``.key``, or ``[name]`` of an item of a list: its name when it has one, else its number from 0."""
    if isinstance(part, str):
        return f".{part}"
    names = child.value if child and isinstance(child.value, dict) else {}
    name = names.get("name") or names.get("group")
    return f"[{name if isinstance(name, str) else part}]"


def _text(loc: Iterable[str | int]) -> str:
    return "".join(_step(part, None) for part in loc).lstrip(".")


def _follows_from_another(model: type[BaseModel], root: Place, error: Mapping[str, Any]) -> bool:
    """Whether a finding only repeats another one.

    A list all of whose items were refused is then too short; a key that a record handed to its fields (``severity``) is
    reported at the record.
    """
    if error["type"] == "too_short":
        return bool(_walk(root, error["loc"])[0].children)
    *above, last = error["loc"] or ("",)
    place = _walk(root, tuple(above))[0]
    if error["type"] == "missing" or not isinstance(last, str) or not isinstance(place.value, dict):
        return False
    known = _known_keys(_models_at(model, tuple(above)))
    return last not in place.children and (last in known or error["type"] == "extra_forbidden")


def _message(model: type[BaseModel], root: Place, error: Mapping[str, Any]) -> str:
    """What is wrong and what to write instead."""
    kind, context = error["type"], error.get("ctx", {})
    *above, last = error["loc"] or ("",)
    value = _walk(root, error["loc"])[0].value
    found = "nothing" if value is None else f"`{value}`" if isinstance(value, str) else "a list or a mapping"
    if kind == "missing":
        return "this key is required"
    if kind == "too_short":
        return "at least one item is needed"
    if kind == "extra_forbidden":
        return "unknown key" + _nearest(str(last), _known_keys(_models_at(model, tuple(above))))
    if kind in {"enum", "literal_error", "union_tag_invalid"}:
        expected = str(context.get("expected") or context.get("expected_tags"))
        if kind == "union_tag_invalid":
            found = f"`{context['tag']}`"
        return f"{found} is not one of {expected}" + _nearest(found.strip("`"), re.findall(r"'([^']*)'", expected), "")
    if kind == "union_tag_not_found":
        return f"the key {context['discriminator']} is required: it says which of its kinds this is"
    if kind == "string_pattern_mismatch" and context.get("pattern") == FIELD_NAME:
        return f"{found} is not a name: lower-case letters, digits and _, beginning with a letter"
    if kind == "value_error":
        return f"{context['error']} (found {found})"
    if kind in {"model_type", "model_attributes_type", "dict_type"}:
        return f"must be a mapping of keys to values, not {found}"
    if kind in {"tuple_type", "list_type"}:
        return f"must be a list, not {found}"
    return f"{error['msg'].replace('Input should', 'must', 1)}, not {found}"


def _nearest(word: str, known: Iterable[str], otherwise: str | None = None) -> str:
    """`` (did you mean ...?)``, else the known words."""
    words = sorted(known)
    near = difflib.get_close_matches(word, words, n=1, cutoff=0.6)
    if near:
        return f": did you mean `{near[0]}`?"
    return f"; known here: {', '.join(words)}" if otherwise is None else otherwise


def _known_keys(models: Iterable[type[BaseModel]]) -> set[str]:
    return {info.alias or name for model in models for name, info in model.model_fields.items()}


def _models_at(model: type[BaseModel], loc: Loc) -> set[type[BaseModel]]:
    """The models that may stand at a location, for what its keys could have been."""
    models: set[type[BaseModel]] = {model}
    for part in loc:
        if isinstance(part, int):
            continue
        fields = [
            info.annotation
            for candidate in models
            for name, info in candidate.model_fields.items()
            if part in {name, info.alias}
        ]
        if fields:
            models = {found for annotation in fields for found in _models_in(annotation)}
        else:  # a union's tag: the class's name, or the value of its discriminator
            models = {candidate for candidate in models if part in _tags(candidate)}
    return models


def _tags(model: type[BaseModel]) -> set[str]:
    literals = (info.annotation for info in model.model_fields.values() if get_origin(info.annotation) is Literal)
    return {f"<{model.__name__}>"} | {str(value) for literal in literals for value in get_args(literal)}


def _models_in(annotation: Any) -> set[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return {annotation}
    return {found for argument in get_args(annotation) for found in _models_in(argument)}
