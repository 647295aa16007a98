"""The house's rules that no linter knows: which way dependencies point, and what may not stand in the tree."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
# Who may import whom. `atom_pipeline.cli` and `definitions` assemble the application.
MAY_IMPORT = {
    "atom_pipeline": {"atom_pipeline"},
    "resources": {"resources", "atom_pipeline"},
    "assets": {"assets", "resources", "atom_pipeline"},
    "sensors": {"sensors", "assets", "resources", "atom_pipeline"},
}
ASSEMBLY = ("atom_pipeline/cli/", "atom_pipeline/definitions.py")
USES_DAGSTER = ("assets", "sensors")
OURS = frozenset(MAY_IMPORT)


def modules() -> Iterator[tuple[str, str]]:
    """Every module's path and every top-level package it imports, inside functions too."""
    for package in MAY_IMPORT:
        for path in sorted((ROOT / package).rglob("*.py")):
            for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
                names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
                if isinstance(node, ast.ImportFrom):
                    assert node.level == 0, f"{path}: relative import"
                    names = [node.module or ""]
                for name in names:
                    yield str(path.relative_to(ROOT)), name.split(".")[0]


def test_dependencies_point_one_way() -> None:
    wrong = [
        f"{path} imports {name}"
        for path, name in modules()
        if name in OURS and name not in MAY_IMPORT[path.split("/")[0]] and not path.startswith(ASSEMBLY)
    ]
    assert wrong == []


def test_the_core_and_the_resources_do_not_know_dagster() -> None:
    wrong = [
        path
        for path, name in modules()
        if name == "dagster" and path.split("/")[0] not in USES_DAGSTER and not path.startswith(ASSEMBLY)
    ]
    assert wrong == []


def test_no_two_modules_of_tests_have_one_name() -> None:
    """pytest imports them by name alone, and leaves out the second of two."""
    names = Counter(path.name for path in (ROOT / "tests").rglob("test_*.py"))
    assert [name for name, count in names.items() if count > 1] == []


@pytest.mark.parametrize("name", sorted(line for line in (ROOT / "requirements.lock").read_text().splitlines()))
def test_the_lock_pins_plain_names(name: str) -> None:
    package, _, version = name.partition("==")
    assert package and version
    assert not set(name) & set(" /@;")


def test_every_top_level_folder_is_one_the_readme_names() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    folders = [
        path.name
        for path in ROOT.iterdir()
        if path.is_dir() and not path.name.startswith(".") and not path.name.endswith(".egg-info")
    ]
    assert [folder for folder in folders if f"{folder}/" not in readme] == []


def test_the_command_line_starts_without_what_only_its_commands_need() -> None:
    script = "import sys, atom_pipeline.cli; print(*sys.modules)"
    words = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    heavy = {"pydantic", "polars", "duckdb", "sqlalchemy", "dagster", "asyncssh", "httpx", "yaml", "urllib.request"}
    assert not heavy & {*words.split()}
