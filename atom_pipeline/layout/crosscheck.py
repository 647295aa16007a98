"""What the documents of a portfolio must say of each other, found before any file is read with them.

Only rules across documents belong here: the fields that the rules of a stage rely on, names used by ``portfolio.yaml``,
file names that two layouts claim. What one document may say is checked by its own model. Every function returns
findings and raises nothing.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from itertools import combinations

from atom_pipeline.errors import Finding
from atom_pipeline.layout import pattern as grammar
from atom_pipeline.layout.document import Document, Loc
from atom_pipeline.layout.model import FieldType, FixedFormat, Layout, NamePattern, Record, Stage, Version
from atom_pipeline.portfolio import Portfolio


@dataclass(frozen=True)
class Needs:
    """The fields that the rules of a stage rely on: ``fields`` in some record, ``groups`` with their own fields.

    ``alternatives``: the fields are any one of these sets, more than one when a stage takes files of several kinds.
    """

    alternatives: tuple[tuple[str, ...], ...]
    groups: dict[str, tuple[str, ...]] = field(default_factory=dict)


_ADDRESS = ("logradouro", "bairro", "cidade", "uf", "cep")  # number and complement often stand in the street's line
NEEDS: dict[Stage, Needs] = {
    Stage.REMESSA: Needs(
        (("contrato", "cpf_cnpj", "nome"),), {"telefone": ("ddd", "numero", "tipo"), "endereco": _ADDRESS}
    ),
    Stage.PARCELAS: Needs((("contrato", "parcela"),)),
    Stage.GARANTIAS: Needs((("contrato",),)),
    Stage.TELEFONES: Needs((("cpf_cnpj", "contrato"),), {"telefone": ("numero", "score")}),
    Stage.REFIN: Needs((("contrato",),)),
    Stage.BATIMENTO: Needs((("contrato", "carteira", "cod_assessoria"),)),
    Stage.ACORDOS: Needs((("contrato", "numero_acordo", "parcela", "motivo", "data_movimento"),)),
    Stage.EXCLUSAO: Needs((("contrato",),)),
    Stage.MASSIVA: Needs((("contrato", "numero", "nome", "jornada"),)),
    Stage.HISTORICO: Needs(
        (("cpf_cnpj", "protocolo", "email", "data_envio"), ("protocolo", "data_envio", "telefone", "mensagem"))
    ),
    Stage.BASE: Needs(
        (
            (
                *("contrato", "cpf_cnpj", "nome", "situacao", "situacao_desde", "bloqueado_em", "motivo"),
                *("primeira_alta", "ultima_remessa", "no_manager"),
            ),
        ),
        {
            "acordo": ("numero", "parcela", "motivo", "data"),
            "telefone": ("ddd", "numero", "tipo", "score", "enriquecimento"),
        },
    ),
}
# a moment whose digits are no date in another order of day, month and year
_MOMENT = datetime(2023, 10, 31, 23, 58, 59)


def within_portfolio(
    portfolio: Document[Portfolio] | None, layouts: Sequence[Document[Layout]], names: Collection[str]
) -> list[Finding]:
    """All that is wrong between the documents of one folder.

    ``names`` are those of every layout's document, also of the ones that could not be read: to name one of them is no
    fault of the portfolio's.
    """
    findings: list[Finding] = []
    for document in layouts:
        findings += _named_like_its_file(document)
        findings += _fields_of_the_stage(document)
    if portfolio is not None:
        findings += _names_of_the_portfolio(portfolio, layouts, names)
        findings += _columns_of_contratos(portfolio, layouts)
        findings += _places_of_the_mailing(portfolio, layouts)
        findings += _templates_of_jornadas(portfolio, layouts)
        findings += _canonical_contrato(portfolio.value, layouts)
        findings += _names_of_two_layouts(portfolio.value.ascob, layouts)
    return findings


def among_portfolios(portfolios: Sequence[Document[Portfolio]]) -> list[Finding]:
    """Portfolios that would write to the same folder of the lake, or have one name."""
    findings: list[Finding] = []
    for first, second in combinations(portfolios, 2):
        if first.value.portfolio == second.value.portfolio:
            text = f"{first.path} has this name too: one portfolio, one folder"
            findings.append(second.finding(("portfolio",), text))
        if first.value.prefix == second.value.prefix:
            text = f"{first.path} has the same: give one of both a `prefix` of its own (a folder of lake and archive)"
            findings.append(second.finding(("prefix",), text))
    return findings


def _named_like_its_file(document: Document[Layout]) -> Iterator[Finding]:
    if document.path.stem != document.value.layout:
        text = f"the document is {document.path.name}: call the file {document.value.layout}.yaml, or change the name"
        yield document.finding(("layout",), text)


def _versions(document: Document[Layout]) -> Iterator[tuple[Version, Loc]]:
    for number, version in enumerate(document.value.versions):
        yield version, ("versions", number)


def _is_of_the_base(layout: Layout) -> bool:
    """Whether the rules of the base take its rows. A layout that was only imported from a sheet is for commands."""
    return layout.direction == "in" or (layout.direction == "import" and layout.stage is Stage.BASE)


def _fields_of_the_stage(document: Document[Layout]) -> Iterator[Finding]:
    needs = NEEDS.get(document.value.stage)
    if needs is None or not _is_of_the_base(document.value):
        return
    for version, loc in _versions(document):
        have = {name for record in version.details for name in record.by_name}
        missing = min(([name for name in names if name not in have] for names in needs.alternatives), key=len)
        if missing:
            text = f"stage {document.value.stage} needs the fields {', '.join(missing)}: add them, or rename some"
            yield document.finding(loc, text)
        if "contrato" in have:
            without = {record.name for record in version.details if "contrato" not in record.by_name}
            for number, record in enumerate(version.records):
                if record.name in without:
                    yield document.finding((*loc, "records", number), "this record needs the field contrato too")
        for group, fields in needs.groups.items():
            groups = [record.groups[group] for record in version.details if group in record.groups]
            inner = {item.name for found in groups for item in found.fields}
            missing = [name for name in fields if name not in inner]
            if missing:
                text = f"stage {document.value.stage} needs a group {group} with the fields {', '.join(missing)}"
                yield document.finding(loc, text)


def _names_of_the_portfolio(
    portfolio: Document[Portfolio], layouts: Sequence[Document[Layout]], names: Collection[str]
) -> Iterator[Finding]:
    written = {document.value.layout for document in layouts if document.value.direction == "out"}
    imported = {document.value.layout for document in layouts if document.value.direction == "import"}
    expected: set[str] = set()
    for number, expectation in enumerate(portfolio.value.expects):
        if expectation.name in expected:
            yield portfolio.finding(("expects", number, "name"), "two expectations have this name")
        expected.add(expectation.name)
        for place, name in enumerate(expectation.any_of):
            loc = ("expects", number, "any_of", place)
            if name not in names:
                yield portfolio.finding(loc, f"no layout {name} here; there are {', '.join(sorted(names))}")
            elif name in written:
                yield portfolio.finding(loc, f"{name} is a file that we write: a day expects files that are read")
            elif name in imported:
                yield portfolio.finding(loc, f"{name} is read by a command, once: a day expects files that come")
    for place, name in enumerate(portfolio.value.batimento.waits_for):
        if name not in expected:
            text = f"no expectation {name}: write one of {', '.join(sorted(expected)) or 'those under `expects`'}"
            yield portfolio.finding(("batimento", "waits_for", place), text)


def _columns_of_contratos(portfolio: Document[Portfolio], layouts: Sequence[Document[Layout]]) -> Iterator[Finding]:
    for document in layouts:
        if document.value.stage is not Stage.REMESSA or not _is_of_the_base(document.value):
            continue
        for version, _ in _versions(document):
            have = {name for record in version.details for name in record.by_name}
            for place, name in enumerate(portfolio.value.contratos_columns):
                if name not in have:
                    text = f"{name} is no field of {document.value.layout} (version since {version.since:%Y-%m-%d})"
                    yield portfolio.finding(("contratos_columns", place), text)


def _places_of_the_mailing(portfolio: Document[Portfolio], layouts: Sequence[Document[Layout]]) -> Iterator[Finding]:
    """A phone with a place that Manager's file does not have would be neither sent nor counted as left out (R025)."""
    wanted = portfolio.value.telefones
    if wanted.kept_for_enrichment > wanted.places:
        text = f"more places kept for enrichment ({wanted.kept_for_enrichment}) than there are ({wanted.places})"
        yield portfolio.finding(("telefones", "kept_for_enrichment"), text)
    for document in layouts:
        if document.value.stage is not Stage.MAILING:
            continue
        for version, _ in _versions(document):
            groups = [record.groups["telefone"] for record in version.details if "telefone" in record.groups]
            times = max((group.times for group in groups), default=wanted.places)
            if times != wanted.places:
                text = f"{wanted.places} places, and {document.value.layout} has its group telefone {times} times"
                yield portfolio.finding(("telefones", "places"), text)


def _templates_of_jornadas(portfolio: Document[Portfolio], layouts: Sequence[Document[Layout]]) -> Iterator[Finding]:
    """A jornada without a template would never be sent, and a template of no jornada is a slip of the pen."""
    massivas = portfolio.value.massivas
    if massivas is None:
        return
    jornadas: set[str] = set()
    for document in layouts:
        if document.value.stage is Stage.MASSIVA and document.value.direction == "in":
            for version, _ in _versions(document):
                for record in version.details:
                    jornada = record.by_name.get("jornada")
                    jornadas |= set(jornada.domain or ()) if jornada else set()
    for name in sorted(jornadas - massivas.templates.keys()):
        yield portfolio.finding(("massivas", "templates"), f"jornada {name} has no template")
    for name in sorted(massivas.templates.keys() - jornadas):
        yield portfolio.finding(("massivas", "templates", name), f"no layout of stage massiva has a jornada {name}")


def _canonical_contrato(portfolio: Portfolio, layouts: Sequence[Document[Layout]]) -> Iterator[Finding]:
    """One form of contrato in every file: a spreadsheet eats leading zeros, and contracts would not meet."""
    length = portfolio.contrato_digits
    for document in layouts if length is not None else ():
        if not _is_of_the_base(document.value):
            continue
        for version, loc in _versions(document):
            for number, record in enumerate(version.records):
                contrato = record.by_name.get("contrato")
                if contrato and (contrato.type is not FieldType.DIGITS or contrato.zero_pad != length):
                    text = f"contrato is digits with `zero_pad: {length}` here (`contrato_digits` of the portfolio)"
                    places = [place for place, item in enumerate(record.items) if item == contrato]
                    yield document.finding((*loc, "records", number, "fields", *places[:1]), text)


def _names_of_two_layouts(ascob: str, layouts: Sequence[Document[Layout]]) -> Iterator[Finding]:
    read = [document for document in layouts if document.value.direction == "in"]
    for first, second in combinations(read, 2):
        for place, pattern in enumerate(second.value.names):
            for other in first.value.names:
                if _overlap(pattern, other, ascob) and not _told_apart(first.value, second.value, pattern.excel):
                    text = (
                        f"{first.value.layout} takes such names too ({other.pattern}), and the content does not tell"
                        " them apart: change a name, or the columns, lengths or `match` of the records"
                    )
                    yield second.finding(("names", place), text)


def _overlap(one: NamePattern, other: NamePattern, ascob: str) -> bool:
    """Whether some name is of both patterns: an example of one that the other takes."""

    def takes(pattern: NamePattern, by: NamePattern) -> bool:
        names = grammar.examples(by.pattern, ascob, _MOMENT)
        return any(grammar.match(pattern.pattern, ascob, name) is not None for name in names)

    return one.excel == other.excel and (takes(one, other) or takes(other, one))


def _told_apart(first: Layout, second: Layout, excel: bool) -> bool:
    """Whether the first line of a file says of which layout it is, whatever versions are in force."""
    return not any(_alike(one, other, excel) for one in first.versions for other in second.versions)


def _alike(one: Version, other: Version, excel: bool) -> bool:
    """Whether a file's first line may be of both versions."""
    if isinstance(one.format, FixedFormat) or isinstance(other.format, FixedFormat):
        return one.format.kind == other.format.kind and any(
            _same_bytes(first, second) for first in one.records for second in other.records
        )
    if not excel and one.format.delimiter != other.format.delimiter:
        return False
    if excel or (one.format.header and other.format.header):
        return _titles(one.titled) == _titles(other.titled)
    columns = {len(record.fields) for record in one.records}
    return one.format.header == other.format.header and not columns.isdisjoint(
        len(record.fields) for record in other.records
    )


def _titles(record: Record) -> list[str]:
    return [(field.title or field.name).casefold() for field in record.fields]


def _same_bytes(one: Record, other: Record) -> bool:
    """Whether a line may be of both records: of one length, without constants in one place that differ."""
    if one.length != other.length:
        return False
    first, second = _constants(one), _constants(other)
    return all(first[span] == second[span] for span in first.keys() & second.keys())


def _constants(record: Record) -> dict[tuple[int, int], str]:
    """The bytes by which a record is told from others, and what they hold."""
    spans = {field.name: (start, stop) for field, start, stop in record.spans()}
    return {spans[match.field]: match.equals for match in record.matches}
