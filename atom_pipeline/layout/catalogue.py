"""A portfolio and its layouts: one folder of documents, checked one by one and against each other, in one report.

Reading documents and holding what was read belongs here; what the documents must say of each other is in
``crosscheck``, what one may say in ``model`` and ``portfolio``. A new creditor is a new
folder: nothing here knows one by name.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from atom_pipeline.errors import Finding, StructureError
from atom_pipeline.layout import crosscheck
from atom_pipeline.layout.document import Document, Model, read_document
from atom_pipeline.layout.model import Layout, Stage
from atom_pipeline.portfolio import Portfolio

PORTFOLIO_DOCUMENT = "portfolio.yaml"


@dataclass(frozen=True)
class Catalogue:
    """What is known of one portfolio's files. ``documents`` are the bytes that were read, by file name."""

    portfolio: Portfolio
    layouts: dict[str, Layout]
    folder: Path
    documents: Mapping[str, bytes] = field(default_factory=dict)

    def fingerprint(self) -> str:
        """SHA-256 over names and bytes of the documents, in the names' order: the same text, the same fingerprint."""
        digest = hashlib.sha256()
        for name, content in sorted(self.documents.items()):
            digest.update(f"{name}\0{len(content)}\0".encode())
            digest.update(content)
        return digest.hexdigest()

    def inputs(self) -> Iterator[Layout]:
        """The layouts that are read, in the order of their names."""
        return (layout for layout in self.layouts.values() if layout.direction == "in")

    def of_stage(self, stage: Stage) -> list[Layout]:
        """The layouts of a stage, in the order of their names."""
        return [layout for layout in self.layouts.values() if layout.stage is stage]


def load_catalogue(folder: Path) -> Catalogue:
    """The catalogue of one folder. Raises StructureError with every finding of every document."""
    findings: list[Finding] = []
    catalogue = _load(folder, findings)[0]
    if catalogue is None:
        raise StructureError(findings)
    return catalogue


def load_catalogues(root: Path) -> list[Catalogue]:
    """The catalogues of every folder of ``root`` with a ``portfolio.yaml``, in the folders' order.

    The same documents give the same catalogues: a process asks for them at every tick of a sensor and several times in
    a run, and they are checked once. Raises StructureError with every finding of every folder, and when there is no
    portfolio at all.
    """
    return list(_checked(root, tuple(_contents(root))))


def _contents(root: Path) -> Iterator[tuple[str, bytes | None]]:
    """Every document below ``root`` and what stands in it; None for what cannot be read, which checking will tell."""
    for path in sorted([*root.glob("*/*.yaml"), *root.glob("*/*.yml")]):
        try:
            yield str(path), path.read_bytes()
        except OSError:
            yield str(path), None


@lru_cache(maxsize=16)
def _checked(root: Path, contents: tuple[tuple[str, bytes | None], ...]) -> tuple[Catalogue, ...]:
    """The catalogues of these very documents. What was refused is not remembered."""
    del contents  # the key alone: each document is read again with its findings
    findings: list[Finding] = []
    catalogues: list[Catalogue] = []
    portfolios: list[Document[Portfolio]] = []
    folders = sorted(path.parent for path in root.glob(f"*/{PORTFOLIO_DOCUMENT}")) if root.is_dir() else []
    if not folders:
        text = f"no folder with a {PORTFOLIO_DOCUMENT}: a portfolio is a folder of layouts (ATOM_LAYOUTS says where)"
        findings.append(Finding(str(root), 1, "", text))
    for folder in folders:
        catalogue, portfolio = _load(folder, findings)
        catalogues += [catalogue] if catalogue else []
        portfolios += [portfolio] if portfolio else []
    findings += crosscheck.among_portfolios(portfolios)
    if findings:
        raise StructureError(findings)
    return tuple(catalogues)


def _load(folder: Path, findings: list[Finding]) -> tuple[Catalogue | None, Document[Portfolio] | None]:
    """Read one folder; add to ``findings``. The catalogue is None when anything is wrong with it."""
    mine: list[Finding] = [
        Finding(str(path), 1, "", "not read: the name of a document ends in .yaml") for path in folder.glob("*.yml")
    ]
    portfolio = _read(folder / PORTFOLIO_DOCUMENT, Portfolio, mine)
    paths = sorted(path for path in folder.glob("*.yaml") if path.name != PORTFOLIO_DOCUMENT)
    layouts = [document for path in paths if (document := _read(path, Layout, mine))]
    mine += crosscheck.within_portfolio(portfolio, layouts, names={path.stem for path in paths})
    findings += mine
    if mine or portfolio is None:
        return None, portfolio
    documents: list[Document[Portfolio] | Document[Layout]] = [portfolio, *layouts]
    by_name = {document.value.layout: document.value for document in layouts}
    content = {document.path.name: document.content for document in documents}
    return Catalogue(portfolio.value, by_name, folder, content), portfolio


def _read(path: Path, model: type[Model], findings: list[Finding]) -> Document[Model] | None:
    try:
        return read_document(path, model)
    except StructureError as error:
        findings += error.findings
        return None
