"""How what a sensor says is put, so that it reads well in the log and on one line in the UI."""

from collections.abc import Iterable

# The UI shows a reason in a tooltip and in the tick's window, and nowhere without being asked.
WHERE_TO_READ = "O motivo de cada consulta aparece ao passar o mouse sobre o status dela, ou ao clicar no resultado."


def reason(lines: Iterable[str]) -> str:
    """Lines, each of which ends in a mark too: the UI shows a line break as a space."""
    return ";\n".join(lines)
