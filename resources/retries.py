"""Whether trying again may help: one decision, for errors at hand and for those that a run left in Dagster's records.

What this application raises says it itself (``AtomError.retry_helps``). Of other errors those of servers, networks,
memory and full disks may pass without a person; a defect of the program does not. How often, and after which pauses,
is decided by who tries again.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Iterator, Sequence

from atom_pipeline.errors import AtomError

# By name, as a record has it: SQLAlchemy's of a database that is away or was restarted, and the system's.
_OPERATIONAL = frozenset({"OperationalError", "InterfaceError", "MemoryError", "ConnectionError", "TimeoutError"})
_LOST = "DatabaseError"  # as it is, and no case of it: a server that went away during a commit
_PASSING = {
    errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EAGAIN, errno.EINTR, errno.EMFILE, errno.ENFILE, errno.ENOMEM,
    errno.ETIMEDOUT, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.ENETDOWN, errno.ESTALE,
}  # fmt: skip
_NUMBERED = re.compile(r"\[Errno (\d+)\]|\(os error (\d+)\)")


def retry_may_help(error: BaseException) -> bool:
    """Whether the same may succeed later without anybody doing something about this error or what caused it."""
    for one in _chain(error):
        if isinstance(one, AtomError):
            return one.retry_helps
        if _passes([kind.__name__ for kind in type(one).__mro__], str(one)):
            return True
    return False


def recorded_retry_may_help(errors: Sequence[tuple[str, str]]) -> bool:
    """The same for an error in a record: (class name, message) of it and of each of its causes, outermost first."""
    ours = dict(_own(AtomError))
    system = dict(_system(OSError))
    for name, message in errors:
        if name in ours:
            return ours[name]
        if _passes([name, *system.get(name, ())], message):
            return True
    return False


def _passes(names: Sequence[str], message: str) -> bool:
    if not _OPERATIONAL.isdisjoint(names) or names[0] == _LOST:
        return True
    found = _NUMBERED.search(message)
    return found is not None and int(found[1] or found[2]) in _PASSING


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__


def _own(kind: type[AtomError]) -> Iterator[tuple[str, bool]]:
    yield kind.__name__, kind.retry_helps
    for other in kind.__subclasses__():
        yield from _own(other)


def _system(kind: type[OSError]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Names of the system's errors, each with those it is a case of, e.g. BrokenPipeError: ConnectionError, OSError."""
    yield kind.__name__, tuple(one.__name__ for one in kind.__mro__)
    for other in kind.__subclasses__():
        yield from _system(other)
