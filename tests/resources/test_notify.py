"""Alarms told to real servers: HTTP and SMTP on loopback, their failures, and what is sent again."""

from __future__ import annotations

import json
import logging
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from email import message_from_bytes
from email.message import EmailMessage
from email.policy import default
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import trustme
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult, Envelope, Session
from ports import free_port
from receivers import SECRET, Receiver, http_receiver

from atom_pipeline.alarm_causes import Alarm, Kind
from atom_pipeline.alarms import Changes, Clearing
from resources.instance import environment
from resources.ledger import Ledger
from resources.ledger_deliveries import LONGEST_WAIT, waiting_time
from resources.notice import Notice, notice, trial
from resources.notify import Email, NotDelivered, Webhook, configured
from resources.notify_settings import AlarmChannels
from resources.settings import Settings

ZONE = ZoneInfo("America/Sao_Paulo")
DAY = date(2026, 11, 23)
NOON = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)
PASSWORD = "s3cr3t/of+mail"
NOTICE = Notice(
    "0123abcd", "[ATOM Pan] Atrasado: acordos", "ATOM Pan: 1 alarme aberto.\nção", {"events": [{"id": "1"}]}
)


# The webhook.


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with http_receiver() as one:
        yield one


def webhook(url: str, *, total: float = 5.0) -> Webhook:
    return replace(Webhook.of(AlarmChannels(webhook=url)), total=total)


def failure(channel: Webhook | Email) -> NotDelivered:
    with pytest.raises(NotDelivered) as caught:
        channel.send(NOTICE)
    assert SECRET not in str(caught.value) and PASSWORD not in str(caught.value)
    return caught.value


def test_the_webhook_gets_text_for_people_fields_for_programs_and_a_key(receiver: Receiver) -> None:
    webhook(receiver.url).send(NOTICE)
    [(headers, body)] = receiver.got
    assert body == {"text": NOTICE.text, "events": [{"id": "1"}]}
    assert headers["Idempotency-Key"] == "0123abcd" and headers["Content-Type"] == "application/json"


@pytest.mark.parametrize(
    ("status", "certain", "wait"),
    [(400, True, 0), (404, True, 0), (429, True, 600), (500, False, 0), (504, False, 0)],
)
def test_a_refusal_is_told_by_its_status_and_one_that_may_have_arrived_from_one_that_did_not(
    receiver: Receiver, status: int, certain: bool, wait: int
) -> None:
    receiver.answers = [status]
    error = failure(webhook(receiver.url))
    assert (error.certain, error.wait) == (certain, timedelta(seconds=wait))
    assert str(status) in str(error)


def test_a_redirect_is_a_failure_and_is_not_followed(receiver: Receiver) -> None:
    receiver.answers = [302]
    assert failure(webhook(receiver.url)).certain
    assert len(receiver.got) == 1


def test_a_receiver_that_is_not_there_got_nothing() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # and nobody listens
        assert failure(webhook(f"http://127.0.0.1:{taken.getsockname()[1]}/{SECRET}")).certain


def test_a_receiver_that_hangs_costs_a_bounded_time(receiver: Receiver) -> None:
    go_on = threading.Event()
    receiver.answers = [lambda _: go_on.wait(60)]
    started = time.monotonic()
    assert not failure(webhook(receiver.url, total=0.3)).certain
    assert time.monotonic() - started < 20
    go_on.set()


def test_a_receiver_that_answers_a_byte_at_a_time_costs_a_bounded_time(receiver: Receiver) -> None:
    def drip(handler: BaseHTTPRequestHandler) -> None:
        try:
            for _ in range(3000):
                handler.wfile.write(b"H")
                time.sleep(0.02)
        except OSError:
            return

    receiver.answers = [drip]
    started = time.monotonic()
    assert not failure(webhook(receiver.url, total=0.3)).certain
    assert time.monotonic() - started < 20


def test_a_receiver_that_breaks_off_may_have_got_it(receiver: Receiver) -> None:
    receiver.answers = [lambda handler: handler.connection.close()]
    assert not failure(webhook(receiver.url)).certain


def test_the_address_of_the_webhook_is_in_no_log(receiver: Receiver, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    channel = webhook(receiver.url)
    channel.send(NOTICE)
    receiver.answers = [500]
    failure(channel)
    assert SECRET not in caplog.text
    assert SECRET not in repr(channel) and SECRET not in channel.label


# A mail server.


@dataclass
class Mailbox:
    """What a mail server took, and whether the session was logged in."""

    port: int = 0
    messages: list[tuple[EmailMessage, list[str]]] = field(default_factory=list)
    logged_in: list[bool] = field(default_factory=list)
    answer: str = "250 OK"
    refused: tuple[str, ...] = ()

    async def handle_RCPT(
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        del server, session, options
        if address in self.refused:
            return "550 no such person"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        del server
        if self.answer.startswith("250"):
            message = message_from_bytes(bytes(envelope.content or b""), policy=default)
            assert isinstance(message, EmailMessage)
            self.messages.append((message, list(envelope.rcpt_tos)))
            self.logged_in.append(bool(session.authenticated))
        return self.answer


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture(scope="module")
def ca_file(authority: trustme.CA, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("ca") / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return path


def _login(server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: object) -> AuthResult:
    del server, session, envelope, mechanism
    known = (data.login, data.password) == (b"ana", PASSWORD.encode())  # type: ignore[attr-defined]
    return AuthResult(success=known, handled=known)


@contextmanager
def mail_server(authority: trustme.CA, *, implicit: bool = False, tls: bool = True) -> Iterator[Mailbox]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)
    box = Mailbox()
    controller = Controller(
        box,
        hostname="localhost",
        port=0,
        ssl_context=context if implicit else None,
        tls_context=context if tls and not implicit else None,
        require_starttls=tls and not implicit,
        authenticator=_login,
        auth_require_tls=not implicit and tls,
    )
    controller.port = free_port()
    controller.start()
    box.port = controller.port
    try:
        yield box
    finally:
        controller.stop()


def mail_settings(
    port: int, ca: Path | None, *, scheme: str = "smtp", password: str | None = PASSWORD
) -> AlarmChannels:
    return AlarmChannels(
        smtp_url=f"{scheme}://ana@localhost:{port}",
        smtp_password=password,
        sender="atom@agencia.example",
        recipients=("ana@agencia.example", "bia@agencia.example"),
        ca=ca,
    )


def test_mail_carries_the_pages_that_go_with_it(authority: trustme.CA, ca_file: Path) -> None:
    page = "<p>acordos não chegaram</p>".encode()
    with mail_server(authority) as box:
        Email.of(mail_settings(box.port, ca_file)).send(replace(NOTICE, attachments=(("dia.html", page),)))
        ((message, _),) = box.messages
    (attached,) = message.iter_attachments()
    assert (attached.get_filename(), attached.get_content_type()) == ("dia.html", "text/html")
    assert attached.get_payload(decode=True) == page
    body = message.get_body(("plain",))
    assert body is not None and body.get_content().splitlines() == NOTICE.text.splitlines()


@pytest.mark.parametrize("implicit", [False, True])
def test_mail_goes_in_verified_tls_to_everyone_with_a_message_id_that_stays(
    authority: trustme.CA, ca_file: Path, implicit: bool
) -> None:
    with mail_server(authority, implicit=implicit) as box:
        Email.of(mail_settings(box.port, ca_file, scheme="smtps" if implicit else "smtp")).send(NOTICE)
    [(message, recipients)] = box.messages
    assert message["Subject"] == NOTICE.subject and message.get_content().splitlines() == NOTICE.text.splitlines()
    assert recipients == ["ana@agencia.example", "bia@agencia.example"]
    assert message["Message-ID"] == "<0123abcd@agencia.example>" and message["Auto-Submitted"] == "auto-generated"
    assert box.logged_in == [True]  # which this server allows in TLS only


def test_a_mail_server_without_tls_or_with_a_certificate_nobody_knows_gets_no_password(
    authority: trustme.CA, ca_file: Path
) -> None:
    with mail_server(authority, tls=False) as box:
        error = failure(Email.of(mail_settings(box.port, ca_file)))
        assert error.certain and "STARTTLS" in str(error)
    with mail_server(authority) as box:
        error = failure(Email.of(mail_settings(box.port, None)))
        assert error.certain and "certificate" in str(error)
        assert box.messages == []


def test_a_wrong_password_is_told_without_it(authority: trustme.CA, ca_file: Path) -> None:
    with mail_server(authority) as box:
        error = failure(Email.of(mail_settings(box.port, ca_file, password="wr0ng-one")))
    assert error.certain and "535" in str(error) and "wr0ng-one" not in str(error) and "ana" not in str(error)


def test_a_refused_message_or_recipient_is_told_without_addresses(authority: trustme.CA, ca_file: Path) -> None:
    with mail_server(authority) as box:
        channel = Email.of(mail_settings(box.port, ca_file))
        box.answer = "452 4.3.1 full: ana@agencia.example"
        error = failure(channel)
        assert error.certain and "452" in str(error) and "ana@" not in str(error)
        box.refused = ("ana@agencia.example", "bia@agencia.example")
        assert "2 recipients" in str(failure(channel))
        box.answer, box.refused = "250 OK", ("ana@agencia.example",)
        channel.send(NOTICE)
        assert [to for _, to in box.messages] == [["bia@agencia.example"]]


def test_a_mail_server_that_says_nothing_costs_a_bounded_time() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        channel = replace(Email.of(mail_settings(silent.getsockname()[1], None)), total=0.3)
        started = time.monotonic()
        assert not failure(channel).certain
        assert time.monotonic() - started < 20


# Configuration.


def test_the_environment_is_read_passed_on_and_never_shown() -> None:
    values = {
        "ATOM_ALARM_WEBHOOK": f"https://hooks.example/{SECRET}",
        "ATOM_SMTP_URL": "smtp://ana@mail.example",
        "ATOM_SMTP_PASSWORD": PASSWORD,
        "ATOM_ALARM_FROM": "atom@agencia.example",
        "ATOM_ALARM_TO": "ana@agencia.example, bia@agencia.example",
        "ATOM_ALARM_CA": "",
    }
    settings = Settings.from_env(values)
    passed = environment(settings, "postgresql://x")
    assert Settings.from_env(passed).alarms == settings.alarms
    channels, problems = configured(settings.alarms)
    assert ([channel.name for channel in channels], problems) == (["webhook", "e-mail"], [])
    shown = f"{settings!r} {settings.alarms!r} {channels!r} {[channel.label for channel in channels]}"
    for secret in (SECRET, PASSWORD, "ana@", "bia@"):
        assert secret not in shown


def test_a_password_may_stand_in_the_url() -> None:
    channel = Email.of(replace(mail_settings(0, None, password=None), smtp_url="smtps://ana:s3cr3t%2Fof%2Bmail@mail"))
    assert (channel.password, channel.port, channel.user) == (PASSWORD, 465, "ana")


@pytest.mark.parametrize(
    ("values", "word"),
    [
        (AlarmChannels(webhook="hooks.example/x"), "ATOM_ALARM_WEBHOOK"),
        (AlarmChannels(smtp_url="mail.example"), "ATOM_SMTP_URL"),
        (AlarmChannels(smtp_url="smtp://mail.example:none"), "ATOM_SMTP_URL"),
        (AlarmChannels(smtp_url="smtp://ana@mail.example"), "ATOM_SMTP_PASSWORD"),
        (AlarmChannels(smtp_url="smtp://mail.example"), "ATOM_ALARM_TO"),
        (AlarmChannels(smtp_url="smtp://mail.example", sender="a@b", recipients=("ana",)), "ATOM_ALARM_TO"),
        (AlarmChannels(webhook="https://hooks.example/x", ca=Path("/nowhere.pem")), "ATOM_ALARM_CA"),
    ],
)
def test_a_channel_that_is_not_set_up_whole_says_what_is_missing(values: AlarmChannels, word: str) -> None:
    channels, [problem] = configured(values)
    assert channels == [] and word in problem


def test_without_channels_there_is_nothing_wrong() -> None:
    assert configured(AlarmChannels()) == ([], [])


# What is owed to each channel.


def alarm(key: str, message: str = "m", *, kind: Kind = Kind.FILE_REFUSED) -> Alarm:
    return Alarm(key, kind, DAY, f"título de {key}", message)


def opening(*keys: str) -> Changes:
    return Changes(to_open=tuple(alarm(key) for key in keys))


def clearing(*keys: str) -> Changes:
    return Changes(to_clear=tuple(Clearing(key, "resolvido") for key in keys))


def at(ledger: Ledger, moment: datetime) -> Ledger:
    return Ledger(ledger.engine, ledger.portfolio, clock=lambda: moment)


def told(ledger: Ledger, channel: str = "webhook") -> list[str]:
    """Take what a channel is owed, as keys with + and -."""
    batch = ledger.next_batch(channel)
    if batch is None:
        return []
    ledger.mark_delivered(batch)
    return [f"{'+' if one.event == 'opened' else '-'}{one.alarm.key}" for one in batch.told]


def test_an_alarm_is_told_once_per_channel_and_once_when_it_ends(ledger: Ledger) -> None:
    both = ["webhook", "e-mail"]
    assert [one.key for one in ledger.record_alarms(opening("a", "b"), both).opened] == ["a", "b"]
    assert ledger.record_alarms(opening("a", "b"), both).opened == ()
    assert told(ledger) == ["+a", "+b"] and told(ledger) == []
    [cleared] = ledger.record_alarms(clearing("a"), both).cleared
    assert (cleared.key, cleared.cleared_why) == ("a", "resolvido")
    assert ledger.record_alarms(clearing("a"), both).cleared == ()
    assert told(ledger) == ["-a"] and told(ledger) == []
    assert told(ledger, "e-mail") == ["+a", "+b", "-a"] and told(ledger, "e-mail") == []
    assert [one.key for one in ledger.open_alarms()] == ["b"]
    ledger.record_alarms(opening("a"), both)
    assert told(ledger) == ["+a"]  # anew


def test_a_channel_that_is_set_up_later_hears_of_what_is_open_and_no_more(ledger: Ledger) -> None:
    ledger.record_alarms(opening("a", "b"), [])
    ledger.record_alarms(clearing("a"), [])
    assert ledger.next_batch("webhook") is None
    ledger.record_alarms(Changes(), ["webhook"])
    assert told(ledger) == ["+b"]


def test_an_open_alarm_is_reworded_and_told_no_second_time(ledger: Ledger) -> None:
    ledger.record_alarms(opening("a"), ["webhook"])
    told(ledger)
    ledger.record_alarms(Changes(to_keep=(alarm("a", "outra"),)), ["webhook"])
    assert [one.message for one in ledger.open_alarms(DAY)] == ["outra"]
    assert ledger.open_alarms(date(2026, 11, 24)) == []
    assert told(ledger) == []


def test_what_surely_did_not_arrive_goes_with_what_came_meanwhile_after_a_rest(ledger: Ledger) -> None:
    ledger.record_alarms(opening("a"), ["webhook"])
    first = at(ledger, NOON).next_batch("webhook")
    assert first is not None
    until = at(ledger, NOON).mark_not_delivered(first, "answered 404", certain=True)
    assert until == NOON + timedelta(minutes=1)
    ledger.record_alarms(opening("b"), ["webhook"])
    assert at(ledger, NOON + timedelta(seconds=59)).next_batch("webhook") is None
    second = at(ledger, until).next_batch("webhook")
    assert second is not None and second.name != first.name and not second.again
    assert [one.alarm.key for one in second.told] == ["a", "b"]
    assert at(ledger, until).mark_not_delivered(second, "x", certain=True) == until + timedelta(minutes=2)
    [backlog] = ledger.backlogs()
    assert (backlog.channel, backlog.count, backlog.last_error) == ("webhook", 2, "x")


@pytest.mark.parametrize("killed", [True, False])
def test_what_may_have_arrived_goes_again_alone_and_under_the_same_name(ledger: Ledger, killed: bool) -> None:
    ledger.record_alarms(opening("a"), ["webhook"])
    first = at(ledger, NOON).next_batch("webhook")
    assert first is not None
    if not killed:
        at(ledger, NOON).mark_not_delivered(first, "no answer", certain=False)
    ledger.record_alarms(opening("b"), ["webhook"])
    later = at(ledger, NOON + timedelta(minutes=1))
    again = later.next_batch("webhook")
    assert again is not None and (again.name, again.told, again.again) == (first.name, first.told, True)
    later.mark_not_delivered(again, "refused", certain=True)  # this time surely not, but the first time?
    assert at(ledger, NOON + timedelta(hours=1)).next_batch("webhook") == replace(again, attempts=again.attempts + 1)
    ledger.mark_delivered(again)
    assert told(ledger) == ["+b"]


def test_a_channel_rests_longer_and_longer_but_is_never_given_up(ledger: Ledger) -> None:
    assert [waiting_time(n) // timedelta(minutes=1) for n in (1, 2, 3, 4, 5, 6, 1000)] == [1, 2, 4, 8, 16, 30, 30]
    ledger.record_alarms(opening("a"), ["webhook"])
    moment = NOON
    for _ in range(20):
        batch = at(ledger, moment).next_batch("webhook")
        assert batch is not None
        moment = at(ledger, moment).mark_not_delivered(batch, "x", certain=True, wait=timedelta(days=9))
        assert moment <= NOON + 20 * LONGEST_WAIT  # what a server asks for is bounded too
    assert told(at(ledger, moment)) == ["+a"]


def test_hundreds_of_alarms_go_in_messages_of_bounded_size(ledger: Ledger) -> None:
    ledger.record_alarms(opening(*(f"{n:03d}" for n in range(100))), ["webhook"])
    assert [len(told(ledger)) for _ in range(4)] == [40, 40, 20, 0]


def test_another_portfolio_s_alarms_are_its_own(ledger: Ledger) -> None:
    other = Ledger(ledger.engine, "motos")
    ledger.record_alarms(opening("a"), ["webhook"])
    other.record_alarms(opening("a"), ["webhook"])
    other.record_alarms(clearing("a"), ["webhook"])
    assert [one.key for one in ledger.open_alarms()] == ["a"] and other.open_alarms() == []
    assert told(ledger) == ["+a"] and told(other) == ["+a", "-a"]


# The words.


def test_a_message_lists_what_opened_and_what_ended(ledger: Ledger) -> None:
    noon = at(ledger, NOON)
    noon.record_alarms(opening("a", "b"), ["webhook"])
    at(ledger, NOON + timedelta(minutes=30)).record_alarms(clearing("a"), ["webhook"])
    batch = ledger.next_batch("webhook")
    assert batch is not None
    message = notice(batch, portfolio="veiculos", title="Pan", zone=ZONE)
    assert message.subject == "[ATOM Pan] 2 alarmes abertos, 1 alarme encerrado: título de a"
    assert "título de b (desde 12:00 de 23/11)" in message.text
    assert "título de a (de 12:00 de 23/11 a 12:30 de 23/11): resolvido" in message.text
    events = message.fields["events"]
    assert [(one["alarm"], one["event"]) for one in events] == [("a", "opened"), ("b", "opened"), ("a", "cleared")]
    assert len({one["id"] for one in events}) == 3 and message.fields["idempotency_key"] == message.key == batch.name
    json.dumps(message.fields)


def test_a_long_list_is_cut_in_the_text_and_whole_in_the_fields(ledger: Ledger) -> None:
    ledger.record_alarms(opening(*(f"{n:03d}" for n in range(40))), ["webhook"])
    batch = ledger.next_batch("webhook")
    assert batch is not None
    message = notice(batch, portfolio="veiculos", title="Pan", zone=ZONE)
    assert "… e mais 25" in message.text and len(message.fields["events"]) == 40
    assert "\n" not in message.subject


def test_the_end_of_one_alarm_is_told_in_the_subject(ledger: Ledger) -> None:
    ledger.record_alarms(opening("a"), ["webhook"])
    told(ledger)
    ledger.record_alarms(clearing("a"), ["webhook"])
    batch = ledger.next_batch("webhook")
    assert batch is not None
    assert notice(batch, portfolio="veiculos", title="Pan", zone=ZONE).subject == "[ATOM Pan] Encerrado: título de a"


def test_a_trial_says_that_it_is_one() -> None:
    message = trial("k", portfolio="veiculos", title="Pan")
    assert "teste" in message.text and message.fields["test"] is True
