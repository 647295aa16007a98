"""One SQL model: its file read, its header checked against its SELECT, its dependencies read from the SQL itself.

Only what can be known without data belongs here. A file begins with a comment that holds YAML::

    /* ---
    description: What the table is for.
    rules: [R025]
    grain: One row per contract.
    key: [contrato]
    columns:
      contrato: Contract number.
      telefone_<1..10>_ddd: DDD of phone {n}.
    --- */
    SELECT ... ORDER BY contrato

``key`` is what tells two rows apart; the final ORDER BY must hold it, so that the order is total and a re-run gives the
same bytes. Every column is named and described; ``<1..10>`` in a name stands for ten columns, ``{n}`` in their
description for the number.
"""

from __future__ import annotations

import graphlib
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Annotated

import sqlglot
import yaml
from pydantic import Field as Key
from pydantic import ValidationError
from sqlglot import exp
from sqlglot.errors import SqlglotError
from sqlglot.optimizer.scope import traverse_scope

from atom_pipeline.errors import Finding, StructureError
from atom_pipeline.layout.model import Strict

DIALECT = "duckdb"
NAME = re.compile(r"[a-z][a-z0-9_]*")
HEADER = re.compile(r"\s*/\* ---[ \t]*\n(?P<yaml>.*?)\n--- \*/", re.DOTALL)
REPEATED = re.compile(r"<(?P<first>\d+)\.\.(?P<last>\d+)>")
Text = Annotated[str, Key(min_length=1)]


@dataclass(frozen=True)
class SqlModel:
    """One file of ``dbt_like_sql/``, checked. Column descriptions are in the order of the SELECT."""

    name: str
    path: Path
    sql: str
    description: str
    rules: tuple[str, ...]
    grain: str
    key: tuple[str, ...]
    columns: dict[str, str]
    dependencies: frozenset[str]  # tables of the lake, and other models
    parameters: frozenset[str]  # names that the SQL writes as $name


class Header(Strict):
    """The YAML at the top of a model's file."""

    description: Text
    rules: tuple[str, ...] = ()
    grain: Text
    key: Annotated[tuple[str, ...], Key(min_length=1)]
    columns: Annotated[dict[str, Text], Key(min_length=1)]


class _OneOfEachKey(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """A key that stands twice is an error: YAML itself keeps the last and says nothing."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[object, object]:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.value in seen:
                raise yaml.constructor.ConstructorError(None, None, f"{key.value} stands twice", key.start_mark)
            seen.add(key.value)
        return dict(super().construct_mapping(node, deep))


def load_models(folder: Path) -> list[SqlModel]:
    """Every model of a folder, each after those it depends on, else by name.

    Raises StructureError with everything that is wrong in all files at once, or when models depend on each other in
    a circle.
    """
    models: dict[str, SqlModel] = {}
    findings: list[Finding] = []
    for path in sorted(folder.glob("*.sql")):
        try:
            models[path.stem] = load_model(path)
        except StructureError as error:
            findings.extend(error.findings)
    if findings:
        raise StructureError(findings)
    return _in_order(models)


def _in_order(models: dict[str, SqlModel]) -> list[SqlModel]:
    sorter = graphlib.TopologicalSorter({name: sorted(m.dependencies & models.keys()) for name, m in models.items()})
    ordered: list[SqlModel] = []
    try:
        sorter.prepare()
    except graphlib.CycleError as error:
        circle = error.args[1]
        message = f"the models depend on each other in a circle: {' -> '.join(circle)}"
        raise StructureError([Finding(str(models[circle[0]].path), 1, "", message)]) from None
    while sorter.is_active():
        ready = sorted(sorter.get_ready())
        ordered.extend(models[name] for name in ready)
        sorter.done(*ready)
    return ordered


def load_model(path: Path) -> SqlModel:
    """One model from its file, read at each call and checked when it changed. Raises StructureError with every finding
    of the file."""
    return _checked(path, path.read_text(encoding="utf-8"))


@lru_cache(maxsize=256)
def _checked(path: Path, text: str) -> SqlModel:
    header, header_findings = _read_header(path, text)
    query, query_findings = _read_query(path, text)
    findings = [*header_findings, *query_findings]
    if not NAME.fullmatch(path.stem):
        findings.append(Finding(str(path), 1, "", f"a model's name is lower case, digits and _: {path.stem}"))
    if header is None or query is None:
        raise StructureError(findings)
    columns, repeated = _expand(header.columns)
    messages = [
        *repeated,
        *_about_columns(query, columns),
        *_about_order(query, header.key),
        *_about_sources(query, path.stem),
    ]
    findings.extend(Finding(str(path), 1, "", message) for message in messages)
    if findings:
        raise StructureError(findings)
    return SqlModel(
        name=path.stem,
        path=path,
        sql=text,
        description=header.description.strip(),
        rules=header.rules,
        grain=header.grain.strip(),
        key=header.key,
        columns={name: columns[name].strip() for name in query.named_selects},
        dependencies=frozenset(table.name for table in _tables(query)),
        parameters=frozenset(str(parameter.this) for parameter in query.find_all(exp.Placeholder)),
    )


def _read_header(path: Path, text: str) -> tuple[Header | None, list[Finding]]:
    found = HEADER.match(text)
    if found is None:
        return None, [Finding(str(path), 1, "", "the file does not begin with a /* --- YAML --- */ comment")]
    line = text.count("\n", 0, found.start("yaml")) + 1
    try:
        loader = _OneOfEachKey(found["yaml"])
        node = loader.get_single_node()
        content = None if node is None else loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        return None, [Finding(str(path), line + (mark.line if mark else 0), "", f"not YAML: {error.problem}")]
    lines = {key.value: key.start_mark.line for key, _ in node.value} if isinstance(node, yaml.MappingNode) else {}
    try:
        return Header.model_validate(content), []
    except ValidationError as error:
        return None, [
            Finding(
                str(path),
                line + lines.get(str(fault["loc"][0]) if fault["loc"] else "", 0),
                ".".join(str(part) for part in fault["loc"]),
                fault["msg"],
            )
            for fault in error.errors()
        ]


def _read_query(path: Path, text: str) -> tuple[exp.Query | None, list[Finding]]:
    try:
        statements = [statement for statement in sqlglot.parse(text, read=DIALECT) if statement is not None]
    except SqlglotError as error:
        places = getattr(error, "errors", [])
        line = places[0]["line"] if places else 1
        message = places[0]["description"] if places else str(error)
        return None, [Finding(str(path), line, "", f"not SQL: {message}")]
    if len(statements) != 1:
        return None, [Finding(str(path), 1, "", f"a model is one SELECT, this file has {len(statements)} statements")]
    query = statements[0]
    if not isinstance(query, exp.Select | exp.SetOperation):
        return None, [Finding(str(path), 1, "", f"a model is one SELECT, this is {query.key.upper()}")]
    return query, []


def _expand(described: dict[str, str]) -> tuple[dict[str, str], list[str]]:
    """Names with ``<1..10>`` as ten names, and what is wrong: a column described twice, or a name that is none."""
    columns: dict[str, str] = {}
    messages: list[str] = []
    for name, description in described.items():
        for each, text in _repetitions(name, description):
            if each in columns:
                messages.append(f"column {each} is described twice")
            elif not NAME.fullmatch(each):
                messages.append(f"column {each}: a name is lower case, digits and _")
            columns[each] = text
    return columns, messages


def _repetitions(name: str, description: str) -> Iterator[tuple[str, str]]:
    range_ = REPEATED.search(name)
    if range_ is None:
        yield name, description
        return
    for n in range(int(range_["first"]), int(range_["last"]) + 1):
        yield REPEATED.sub(str(n), name), description.replace("{n}", str(n))


def _about_columns(query: exp.Query, described: dict[str, str]) -> Iterator[str]:
    stars = any(column.is_star for select in query.find_all(exp.Select) for column in select.expressions)
    if stars:
        yield "a SELECT names its columns: no *"
    selected: list[str] = query.named_selects
    if "" in selected:
        yield f"column {selected.index('') + 1} of the SELECT has no name: add AS"
    yield from (f"column {name} is selected twice" for name in _repeated(selected))
    if not stars:
        yield from (f"column {name} is described but not selected" for name in described if name not in selected)
    yield from (
        f"column {name} is selected but not described" for name in selected if name not in {*described, "", "*"}
    )


def _about_order(query: exp.Query, key: tuple[str, ...]) -> Iterator[str]:
    yield from (f"key {name} is not selected" for name in key if name not in query.named_selects)
    order = query.args.get("order")
    if order is None:
        yield "no ORDER BY: a re-run must give the same bytes"
        return
    ordered = {ordered.this.name for ordered in order.expressions if isinstance(ordered.this, exp.Column)}
    missing = [name for name in key if name not in ordered]
    if missing:
        yield f"ORDER BY lacks {', '.join(missing)} of the key, so the order of equal rows is left to chance"


def _about_sources(query: exp.Query, name: str) -> Iterator[str]:
    for table in _tables(query):
        if not isinstance(table.this, exp.Identifier) or table.db or not NAME.fullmatch(table.name):
            yield f"{table.sql(DIALECT)}: a model reads tables of the lake and other models by their bare names"
        elif table.name == name:
            yield "the model reads itself"


def _tables(query: exp.Query) -> list[exp.Table]:
    """The tables that are read, without the names given by WITH, each once."""
    found: dict[str, exp.Table] = {}
    for scope in traverse_scope(query):
        for source in scope.sources.values():
            if isinstance(source, exp.Table):
                found.setdefault(source.sql(DIALECT, comments=False).partition(" ")[0], source)
    return list(found.values())


def _repeated(names: Iterable[str]) -> list[str]:
    seen: set[str] = set()
    return [name for name in names if name and (name in seen or seen.add(name))]  # type: ignore[func-returns-value]
