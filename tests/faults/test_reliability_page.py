"""The page of faults: each of the thirty-nine has a row, and each row a test that there is."""

from __future__ import annotations

import re
from pathlib import Path

HERE = Path(__file__).parent
ROW = re.compile(r"^\|\s*(\d*)\s*\|.*`(test_(\d\d)_\w+\.py)::(test_\w+)` \|$")
TRAP = re.compile(r"^\| .*`(tests/\w+/\w+\.py)::(test_\w+)` \|$")


def test_every_fault_has_a_row_and_every_row_its_test() -> None:
    page = (HERE.parents[1] / "docs" / "reliability.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| ") and "::" in line and "`tests/" not in line]
    faults: list[int] = []
    files: set[str] = set()
    for row in rows:
        found = ROW.match(row)
        assert found is not None, row
        number, file, of, test = found.groups()
        faults += [int(number)] if number else []
        files.add(file)
        assert faults[-1] == int(of), row
        assert f"def {test}(" in (HERE / file).read_text(encoding="utf-8"), row
    assert faults == list(range(1, 40))
    assert {path.name for path in HERE.glob("test_[0-9]*.py")} == files


def test_every_trap_of_a_library_has_its_test() -> None:
    root = HERE.parents[1]
    page = (root / "docs" / "reliability.md").read_text(encoding="utf-8")
    rows = [line for line in page.splitlines() if line.startswith("| ") and "`tests/" in line]
    assert len(rows) == 18
    for row in rows:
        found = TRAP.match(row)
        assert found is not None, row
        assert f"def {found[2]}(" in (root / found[1]).read_text(encoding="utf-8"), row
