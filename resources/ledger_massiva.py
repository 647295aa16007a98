"""The ledger's part on massive actions: every WhatsApp message that was ever tried, and what came of it.

The intent of a message is here before it leaves, its answer after it came; what is between the two when a process ends
is uncertain, and nothing but a person's word makes it sendable again. No name and no number stands here: a pseudonym
of the number tells two apart, and its last digits are for people's eyes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any

import polars as pl
from sqlalchemy import (
    ARRAY,
    BigInteger,
    Date,
    DateTime,
    Integer,
    Row,
    Text,
    case,
    cast,
    column,
    func,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import insert as upsert

from atom_pipeline.massiva.marks import RESPOSTAS
from atom_pipeline.massiva.states import SETTLED, Recorded, Status
from resources.ledger_section import LedgerError, Section
from resources.ledger_tables import massive_messages as messages

INTERRUPTED = "o processo parou entre a intenção e a resposta"
SENT_SAYS_A_PERSON = "enviada, conforme conferência"
NOT_SENT_SAYS_A_PERSON = "não enviada, conforme conferência"
_ROWS_AT_A_TIME = 20_000


@dataclass(frozen=True)
class Intent:
    """A row about to be sent. ``message_id`` is that of its message when it was tried before."""

    day: date
    row_key: str
    file: str
    line: int
    contrato: str
    number_hash: str
    number_masked: str
    jornada: str
    template: int
    message_id: int | None = None


@dataclass(frozen=True)
class Claim:
    """A message whose intent is on the record: this process, and no other, sends it. ``attempt`` counts from 1."""

    message_id: int
    row_key: str
    attempt: int


@dataclass(frozen=True)
class MassiveMessage:
    """One message on the record."""

    id: int
    day: date
    row_key: str
    file: str
    line: int
    contrato: str
    number_hash: str
    number_masked: str
    jornada: str
    template: int
    status: Status
    attempts: int
    intended_at: datetime
    answered_at: datetime | None
    not_before: datetime | None
    http_status: int | None
    words: str
    marked_on: date | None  # the working day whose `marcacoes` it is part of
    settled_why: str | None
    settled_by: str | None


class LedgerMassiva(Section):
    """WhatsApp messages of one portfolio."""

    def claim_messages(self, intents: Sequence[Intent], now: datetime) -> list[Claim]:
        """Record the intent to send these rows, in one transaction; what is returned is this process's to send.

        A row that is on the record already, or whose number takes the template today, is not returned; one that was
        tried before is, when it is ``planejado`` still.
        """
        again = [intent.message_id for intent in intents if intent.message_id is not None]
        first = [intent for intent in intents if intent.message_id is None]
        claims: list[Claim] = []
        with self.engine.begin() as connection:
            if first:
                statement = upsert(messages).on_conflict_do_nothing().returning(messages.c.id, messages.c.row_key)
                values = [
                    {
                        "portfolio": self.portfolio,
                        "day": intent.day,
                        "row_key": intent.row_key,
                        "file": intent.file,
                        "line": intent.line,
                        "contrato": intent.contrato,
                        "number_hash": intent.number_hash,
                        "number_masked": intent.number_masked,
                        "jornada": intent.jornada,
                        "template": intent.template,
                        "status": Status.ENVIANDO,
                        "attempts": 1,
                        "intended_at": now,
                        "words": "",
                    }
                    for intent in first
                ]
                claims += [Claim(row.id, row.row_key, 1) for row in connection.execute(statement, values)]
            if again:
                taken = connection.execute(
                    update(messages)
                    .where(messages.c.id == func.any(again), messages.c.status == Status.PLANEJADO)
                    .values(status=Status.ENVIANDO, attempts=messages.c.attempts + 1, intended_at=now)
                    .returning(messages.c.id, messages.c.row_key, messages.c.attempts)
                )
                claims += [Claim(row.id, row.row_key, row.attempts) for row in taken]
        return claims

    def record_answers(self, answers: Sequence[tuple[Claim, Recorded]], *, now: datetime, marked_on: date) -> None:
        """Record what became of claimed messages, in one transaction.

        An answer that came after the message was given up as uncertain (another process took this one for dead) still
        settles it; one that a person has settled, or a later attempt has taken over, stays.
        """
        if not answers:
            return
        columns: dict[str, tuple[Any, list[Any]]] = {
            "id": (BigInteger, [claim.message_id for claim, _ in answers]),
            "attempt": (Integer, [claim.attempt for claim, _ in answers]),
            "status": (Text, [result.status.value for _, result in answers]),
            "words": (Text, [result.words for _, result in answers]),
            "http_status": (Integer, [result.http_status for _, result in answers]),
            "not_before": (DateTime(timezone=True), [result.not_before for _, result in answers]),
            "marked_on": (Date, [marked_on if result.status in SETTLED else None for _, result in answers]),
        }
        arrays = (cast(values, ARRAY(kind)) for kind, values in columns.values())
        named = [column(name, kind) for name, (kind, _) in columns.items()]
        new = func.unnest(*arrays).table_valued(*named, name="new").render_derived()
        statement = (
            update(messages)
            .where(
                messages.c.id == new.c.id,
                messages.c.attempts == new.c.attempt,
                messages.c.status.in_([Status.ENVIANDO, Status.INCERTO]),
            )
            .values(
                status=new.c.status,
                words=new.c.words,
                http_status=new.c.http_status,
                not_before=new.c.not_before,
                marked_on=new.c.marked_on,
                answered_at=now,
            )
        )
        with self.engine.begin() as connection:
            connection.execute(statement)

    def give_up_interrupted(self) -> int:
        """Mark what is ``enviando`` as uncertain; returns how many. Only while nobody else sends (``exclusive``)."""
        with self.engine.begin() as connection:
            found = connection.execute(
                update(messages)
                .where(self._own(), messages.c.status == Status.ENVIANDO)
                .values(status=Status.INCERTO, words=INTERRUPTED)
                .returning(messages.c.id)
            )
            return len(found.all())

    def settle_message(
        self, message_id: int, *, sent: bool, why: str, author: str, now: datetime, marked_on: date, today: date
    ) -> MassiveMessage:
        """Put a person's word on an uncertain message on the record. The same word given twice stands once.

        Sent: it counts as accepted. Not sent: it may be sent again, or, when its day is over, it is refused. Raises
        LedgerError when there is no such message, it is not uncertain, or the reason or the author is missing.
        """
        why, author = why.strip(), author.strip()
        if not why or not author:
            raise LedgerError(f"settling message {message_id} needs a reason and an author")
        words = SENT_SAYS_A_PERSON if sent else NOT_SENT_SAYS_A_PERSON
        with self._transaction("massiva") as connection:
            found = connection.execute(
                select(messages).where(self._own(), messages.c.id == message_id).with_for_update()
            ).one_or_none()
            if found is None:
                raise LedgerError(f"no message {message_id} of {self.portfolio}: `atom massiva pendentes` lists them")
            if found.status != Status.INCERTO:
                if (found.settled_why, found.settled_by, found.words) == (why, author, words):
                    return _message(found)
                raise LedgerError(f"message {message_id} is {found.status}: only an uncertain one (incerto) is settled")
            over = found.day < today
            status = Status.ACEITO if sent else Status.RECUSADO if over else Status.PLANEJADO
            row = connection.execute(
                update(messages)
                .where(messages.c.id == message_id)
                .values(
                    status=status,
                    words=words,
                    answered_at=now,
                    not_before=None,
                    marked_on=marked_on if status in SETTLED else None,
                    settled_why=why,
                    settled_by=author,
                )
                .returning(messages)
            ).one()
            return _message(row)

    # Questions.

    def messages(
        self, *, day: date | None = None, status: Status | None = None, contrato: str | None = None
    ) -> Iterator[MassiveMessage]:
        """Messages on the record in the order of their first intent, some thousands at a time."""
        query = select(messages).where(self._own())
        for name, value in (("day", day), ("status", status), ("contrato", contrato)):
            query = query.where(messages.c[name] == value) if value is not None else query
        with self.engine.connect().execution_options(yield_per=_ROWS_AT_A_TIME) as connection:
            for row in connection.execute(query.order_by(messages.c.id)):
                yield _message(row)

    def known_messages(self, day: date) -> pl.DataFrame:
        """The day's messages: id, chave, numero_hash, template, estado, tentativas, nao_antes (UTC)."""
        query = select(
            messages.c.id,
            messages.c.row_key.label("chave"),
            messages.c.number_hash.label("numero_hash"),
            messages.c.template,
            messages.c.status.label("estado"),
            messages.c.attempts.label("tentativas"),
            messages.c.not_before.label("nao_antes"),
        ).where(self._own(), messages.c.day == day)
        shape = {
            "id": pl.Int64,
            "chave": pl.String,
            "numero_hash": pl.String,
            "template": pl.Int64,
            "estado": pl.String,
            "tentativas": pl.Int64,
            "nao_antes": pl.Datetime("us", "UTC"),
        }
        return self._frame(query.order_by(messages.c.id), shape)

    def message_counts(self, day: date) -> dict[Status, int]:
        """How many messages of a day are in each state; states without any are left out."""
        query = select(messages.c.status, func.count()).where(self._own(), messages.c.day == day)
        with self.engine.connect() as connection:
            found = connection.execute(query.group_by(messages.c.status).order_by(messages.c.status))
            return {Status(status): int(count) for status, count in found}

    def answers_marked_on(self, day: date) -> pl.DataFrame:
        """The settled messages that are part of a day's marks (RESPOSTAS), by id."""
        query = select(
            messages.c.day.label("dia"),
            messages.c.contrato,
            messages.c.status,
            messages.c.intended_at.label("enviada_em"),  # a person's word may come days after it left
            messages.c.words.label("detalhe"),
            messages.c.file.label("arquivo"),
            messages.c.line.label("linha"),
        ).where(self._own(), messages.c.marked_on == day)
        raw = self._frame(query.order_by(messages.c.id), RESPOSTAS | {"enviada_em": pl.Datetime("us", "UTC")})
        return raw.with_columns(pl.col("detalhe").replace("", None))

    def answers_fingerprint(self, day: date) -> str:
        """Identity of the settled messages that are part of a day's marks: it changes with every answer."""
        query = select(func.count(), func.max(messages.c.answered_at)).where(self._own(), messages.c.marked_on == day)
        with self.engine.connect() as connection:
            count, newest = connection.execute(query).one()
            return f"{count} {newest.isoformat() if newest else '-'}"

    def last_outcomes(self, day: date, count: int) -> list[tuple[datetime, bool]]:
        """(moment, failed) of the newest answers of OMNE's on a day, oldest first; 429 is left out.

        A message that failed counts as often as it was tried, all at the moment of its last answer.
        """
        failed = case((messages.c.status == Status.ACEITO, False), else_=True)
        query = (
            select(messages.c.answered_at, failed, messages.c.attempts)
            .where(
                self._own(),
                messages.c.day == day,
                messages.c.answered_at.is_not(None),
                messages.c.settled_by.is_(None),
                func.coalesce(messages.c.http_status, 0) != 429,
            )
            .order_by(messages.c.answered_at.desc())
            .limit(count)
        )
        with self.engine.connect() as connection:
            newest = connection.execute(query).all()
        return [(at, bool(failed)) for at, failed, tried in reversed(newest) for _ in range(tried if failed else 1)]

    def paused_until(self, day: date) -> datetime | None:
        """Until when OMNE asked everybody to wait (429, 503), by the answers on the record."""
        query = select(func.max(messages.c.not_before)).where(
            self._own(), messages.c.day == day, messages.c.status == Status.PLANEJADO,
            messages.c.http_status.in_([429, 503]),
        )  # fmt: skip
        with self.engine.connect() as connection:
            found: datetime | None = connection.execute(query).scalar_one()
            return found

    def _own(self) -> Any:
        return messages.c.portfolio == self.portfolio

    def _frame(self, query: Any, shape: dict[str, Any]) -> pl.DataFrame:
        frames = [pl.DataFrame(schema=shape)]
        with self.engine.connect().execution_options(yield_per=_ROWS_AT_A_TIME) as connection:
            for part in connection.execute(query).partitions():
                frames.append(pl.DataFrame([tuple(row) for row in part], schema=shape, orient="row"))
        return pl.concat(frames)


def _message(row: Row[Any]) -> MassiveMessage:
    values = {name: value for name, value in row._mapping.items() if name != "portfolio"}
    return MassiveMessage(**values | {"status": Status(row.status)})
