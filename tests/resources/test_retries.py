"""Whether trying again may help: of errors at hand, and of those that a record only names."""

from __future__ import annotations

import errno
from collections.abc import Callable

import pytest
from sqlalchemy.exc import DatabaseError, IntegrityError, InterfaceError, OperationalError, ProgrammingError

from atom_pipeline.errors import AtomError, FileRefused, ProgramError
from resources.file_server import AccessRefused, ConflictError, FileServerError, IncompleteDownload
from resources.ledger_section import LedgerError
from resources.ledger_waves import Busy, WaveRefused
from resources.postgres import DatabaseUnavailable
from resources.retries import recorded_retry_may_help, retry_may_help


def sql(kind: type[DatabaseError]) -> Exception:
    return kind("select 1", {}, Exception("server closed the connection unexpectedly"))


PASSING: list[Exception] = [
    FileServerError("away"),
    IncompleteDownload("cut"),
    Busy("another process"),
    DatabaseUnavailable("starting"),
    sql(OperationalError),
    sql(InterfaceError),
    sql(DatabaseError),
    ConnectionResetError(errno.ECONNRESET, "reset"),
    BrokenPipeError(errno.EPIPE, "pipe"),
    TimeoutError("too long"),
    MemoryError(),
    OSError(errno.ENOSPC, "No space left on device"),
    RuntimeError("write failed: No space left on device (os error 28)"),
]
LASTING: list[Exception] = [
    AtomError("plain"),
    ProgramError("a defect"),
    FileRefused("FORA_DO_LAYOUT", "no"),
    AccessRefused("password"),
    ConflictError("other content"),
    WaveRefused("out of order"),
    LedgerError("no"),
    sql(ProgrammingError),
    sql(IntegrityError),
    FileNotFoundError(errno.ENOENT, "no such file"),
    PermissionError(errno.EACCES, "denied"),
    KeyError("column"),
    TypeError("None"),
    ZeroDivisionError("division by zero"),
]


def name(error: Exception) -> str:
    return type(error).__name__


@pytest.mark.parametrize(("errors", "helps"), [(PASSING, True), (LASTING, False)], ids=["passing", "lasting"])
@pytest.mark.parametrize("judge", [retry_may_help, lambda one: recorded_retry_may_help([(name(one), str(one))])])
def test_what_may_pass_without_a_person(
    errors: list[Exception], helps: bool, judge: Callable[[Exception], bool]
) -> None:
    assert [name(error) for error in errors if judge(error) is not helps] == []


def test_what_caused_an_error_counts_unless_the_error_itself_says_otherwise() -> None:
    wrapped, ours = RuntimeError("it did not work"), WaveRefused("cancelled")
    wrapped.__cause__ = ours.__cause__ = sql(OperationalError)
    assert retry_may_help(wrapped)
    assert not retry_may_help(ours)
    chain = [("RuntimeError", "it did not work"), ("OperationalError", "closed")]
    assert recorded_retry_may_help(chain)
    assert not recorded_retry_may_help([("WaveRefused", "cancelled"), *chain])
    assert not recorded_retry_may_help([])


def test_what_happened_while_another_error_was_handled_is_no_cause() -> None:
    try:
        try:
            raise sql(OperationalError)
        except OperationalError:
            raise KeyError("a defect in the handler")  # noqa: B904
    except KeyError as error:
        assert not retry_may_help(error)
