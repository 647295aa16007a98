from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resources.ftp_listing import Entry, UnreadableListing, encode, read_facts, read_list, read_mlsd, read_time, zone_of
from resources.transport import RemoteFile

NOW = datetime(2026, 11, 22, 12, 50, tzinfo=UTC)


def test_mlsd_has_files_alone_with_their_times() -> None:
    listing = (
        b"type=cdir;modify=20261122000000; .\r\n"
        b"Type=dir;Modify=20261122000000;Size=4096; erros\r\n"
        b"type=OS.unix=slink:/etc/passwd;size=1; link\r\n"
        b"type=file;size=10;modify=20261122124355.25;perm=r; a b.csv\r\n"
        b"type=file;size=0; sem data.csv\r\n"
    )
    assert read_mlsd(listing) == [
        RemoteFile("a b.csv", 10, datetime(2026, 11, 22, 12, 43, 55, 250_000, UTC)),
        RemoteFile("sem data.csv", 0, None),
    ]
    assert read_mlsd(b"") == []


@pytest.mark.parametrize(
    "listing",
    [
        b"type=file;size=10\r\n",
        b"a.csv\r\n",
        b"size=10; a.csv\r\n",
        b"type=file; a.csv\r\n",
        b"type=file;size=-1; a.csv\r\n",
        b"type=file;size=dez; a.csv\r\n",
        b"type=file;size=\xc2\xb2; a.csv\r\n",
        b"type=file;size=1;modify=ontem; a.csv\r\n",
        b"type=file;size=1;modify=20261322000000; a.csv\r\n",
    ],
)
def test_mlsd_that_is_not_understood_is_an_error(listing: bytes) -> None:
    with pytest.raises(UnreadableListing):
        read_mlsd(listing)


@given(st.lists(st.tuples(st.text(st.characters(codec="utf-8", exclude_characters="\r")).filter(bool), st.integers(0))))
def test_every_name_comes_out_of_mlsd_as_it_went_in(files: list[tuple[str, int]]) -> None:
    listing = b"".join(f"type=file;size={size}; ".encode() + encode(name) + b"\r\n" for name, size in files)
    assert [(file.name, file.size) for file in read_mlsd(listing)] == files


def test_a_name_that_is_not_utf_8_is_seen() -> None:
    [file] = read_mlsd(b"type=file;size=1; a\xe7ao.csv\r\n")
    assert encode(file.name) == b"a\xe7ao.csv"


def test_list_of_unix_and_of_dos() -> None:
    unix = (
        b"total 12\r\n"
        b"drwxr-xr-x   2 evo      evo          4096 Nov 22 12:43 erros\r\n"
        b"lrwxrwxrwx   1 evo      evo             4 Nov 22 12:43 link -> a.csv\r\n"
        b"-rw-r--r--   1 evo      evo            10 Nov 22 12:43 a.csv\r\n"
        b"-rw-r--r--+  1 evo      Domain Users 11 Nov  2  2025  dois  brancos.csv\r\n"
        b"-rw-------   1 1001     12 Feb 29 2024 sem grupo.csv\r\n"
        b"-rw-r--r--   1 evo      evo            13 2026-11-22 12:43 iso.csv\r\n"
        b"-rwsr-sr-t.  1 evo      evo    99999999999 Jan  1 00:00 2026.csv\r\n"
    )
    assert read_list(unix, NOW) == [
        Entry("a.csv", 10, datetime(2026, 11, 22, 12, 43)),
        Entry(" dois  brancos.csv", 11, datetime(2025, 11, 2), to_the_minute=False),
        Entry("sem grupo.csv", 12, datetime(2024, 2, 29), to_the_minute=False),
        Entry("iso.csv", 13, datetime(2026, 11, 22, 12, 43)),
        Entry("2026.csv", 99_999_999_999, datetime(2026, 1, 1)),
    ]
    dos = (
        b"11-22-26  12:43PM       <DIR>          erros\r\n"
        b"11-22-26  12:43AM               10 a b.csv\r\n"
        b"11-02-2025  13:43               11 c.csv\r\n"
    )
    assert read_list(dos, NOW) == [
        Entry("a b.csv", 10, datetime(2026, 11, 22, 0, 43)),
        Entry("c.csv", 11, datetime(2025, 11, 2, 13, 43)),
    ]


@pytest.mark.parametrize(
    ("written", "now", "year"),
    [
        ("Nov 22 12:43", datetime(2026, 11, 22, 12, 43, tzinfo=UTC), 2026),
        ("Nov 23 02:43", datetime(2026, 11, 22, 12, 43, tzinfo=UTC), 2026),
        ("Nov 24 12:44", datetime(2026, 11, 22, 12, 43, tzinfo=UTC), 2025),
        ("Dec 31 23:59", datetime(2027, 1, 1, 0, 0, tzinfo=UTC), 2026),
        ("Jan  1 02:00", datetime(2026, 12, 31, 23, 0, tzinfo=UTC), 2027),
        ("Feb 29 12:00", datetime(2028, 3, 1, 0, 0, tzinfo=UTC), 2028),
    ],
)
def test_a_time_without_a_year_is_the_newest_that_has_come(written: str, now: datetime, year: int) -> None:
    [entry] = read_list(f"-rw-r--r-- 1 evo evo 1 {written} a.csv".encode(), now)
    assert entry.time.year == year


def test_the_zone_is_what_most_files_say() -> None:
    wall, utc = datetime(2026, 11, 22, 9, 43), datetime(2026, 11, 22, 12, 43, 31, tzinfo=UTC)
    rewritten = (datetime(2026, 11, 22, 1, 0), utc)
    assert zone_of([(wall, utc), rewritten, (wall, utc)]) == timedelta(hours=3)
    assert zone_of([(datetime(2026, 11, 22, 18, 28), utc)]) == timedelta(hours=-5, minutes=-45)
    assert zone_of([rewritten, (wall, utc)]) == timedelta(hours=3)
    assert zone_of([(datetime(2026, 11, 1), utc)]) == timedelta(0)
    assert zone_of([]) == timedelta(0)


@pytest.mark.parametrize(
    "line",
    [
        b"a.csv",
        b"550 No such file",
        b"-rw-r--r-- 1 evo evo 10 a.csv",
        b"<html>",
        b"-rw-r--r-- 1 evo evo 1 Xxx 22 12:43 a.csv",
    ],
)
def test_a_line_of_list_that_is_not_understood_is_an_error(line: bytes) -> None:
    with pytest.raises(UnreadableListing):
        read_list(b"-rw-r--r--   1 evo evo 10 Nov 22 12:43 a.csv\r\n" + line + b"\r\n", NOW)


def test_lines_may_end_as_on_unix_too() -> None:
    assert [file.name for file in read_mlsd(b"type=file;size=1; a\ntype=file;size=1; b\n")] == ["a", "b"]


def test_facts_of_a_folder_are_no_file() -> None:
    assert read_facts("erros", b"type=dir;modify=20261122000000;") is None
    assert read_time("20261122124355") == datetime(2026, 11, 22, 12, 43, 55, tzinfo=UTC)
