"""``telefones_contato``: the phones of each contract, from the remessa and from enrichment files (R023 to R025, FA002).

What belongs here: which phones a contract has, in which place, of which type and score. What does not: how many of them
the dialer gets (the mailing), and whether a number is well written (``layout.checks``): a number that cannot be dialled
was flagged when it was read and is left out here.

A contract's list is the phones of its last accepted remessa row, in the row's order, then those that only files of
telefones brought, in order of arrival, typed ``Enriquecimento 1..n``. A number stands once and keeps its place:

- in the remessa first: it stays in the remessa's place when a file brings it too. If the remessa later drops it, it
  goes on as enrichment with the next n, since a file confirmed it; without such a file (``enriquecido_em`` null) it
  leaves;
- in a file first: it stays ``Enriquecimento n`` whatever the remessa does later. An n never changes, nor is it reused.

The score is the newest one given; a blank does not erase it. Nothing here looks at the contract's situation, so the
phones stay when it leaves and returns.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date

import polars as pl

from atom_pipeline.errors import ProgramError
from atom_pipeline.identity import same_document
from atom_pipeline.rules.enrichment import outside_the_base
from atom_pipeline.rules.groups import at_first, place_within, unfold
from atom_pipeline.rules.received import canonical_rows
from atom_pipeline.rules.state import Ignorada, Rows, Step, empty, schema, set_aside

TABLE = "telefones_contato"
REMESSA = "REMESSA"
ENRIQUECIMENTO = "ENRIQUECIMENTO"
DDD = "^(1[1-9]|2[12478]|3[1-578]|4[1-9]|5[1345]|6[1-9]|7[134579]|8[1-9]|9[1-9])$"  # the 67 in use
KEY = ["contrato", "telefone"]
# A contract's place among all of the day in order, and one number for it and the phone: what is joined and sorted by,
# since a number is compared several times as fast as two texts.
PLACE, NUMBER = "_contrato", "_chave"
_DIGITS = 11  # of a phone at most, DDD and number
PARTS = ("ddd", "numero")  # of ``telefone``: taken from it at the end, since every step costs memory for every column


def apply_telefones(
    previous: pl.DataFrame,
    contratos: pl.DataFrame,
    cadastro: Rows,
    received: pl.DataFrame | None,
    *,
    day: date,
    layout_name: str,
    types: Mapping[str, str] | None = None,
    digits: int | None = None,
) -> Step:
    """The phones after a day's remessa and files of telefones.

    ``previous`` is the newest table before the day; ``contratos`` and ``cadastro`` are as the day's remessa left them,
    so that phones of a row ignored by the block's window are not seen. ``received`` holds the accepted rows of the
    day's files of telefones, None when no file came; the remessa's phones are taken all the same. ``types`` gives the
    meaning of the remessa's phone types; a code without one stays. ``digits`` is the portfolio's ``contrato_digits``.

    The table is sorted by contrato and ``ordem``. ``ignoradas`` has the rows of contracts that are not in the base, and
    those whose CPF is not the contract's. Raises ProgramError where ``previous`` has a number that is no phone.
    """
    longest = previous["telefone"].str.len_bytes().max()
    if isinstance(longest, int) and longest > _DIGITS:
        raise ProgramError(f"{TABLE}: a number of {longest} digits, which no phone has")
    current = pl.concat([empty(TABLE), previous], how="diagonal").drop(PARTS)
    current = current.with_columns(chegada=pl.lit(None, pl.Int64))
    rows, ignoradas = _todays_phones(cadastro, day), empty("ignoradas")
    accepted = None
    if received is not None:
        received = canonical_rows(received, digits)
        ignoradas = _refused(received, contratos, day, layout_name)
        accepted = received.join(ignoradas.select("arquivo", "linha"), on=["arquivo", "linha"], how="anti")
    places = _places(frame["contrato"] for frame in (current, rows, accepted) if frame is not None)
    current = _numbered(current.join(places, on="contrato", how="left"))
    current = _follow_remessa(current, rows.join(places, on="contrato", how="left"), day, dict(types or {}))
    if accepted is not None:
        phones = _phones_of_files(accepted.join(places, on="contrato", how="left"))
        current = _add_enrichment(current, phones, day)
    return Step({TABLE: _in_places(current)}, {TABLE: previous}, ignoradas=ignoradas)


def _places(contratos: Iterable[pl.Series]) -> pl.DataFrame:
    """Each contract once, with its place among all of them in order."""
    return pl.concat(contratos).unique().sort().to_frame().with_row_index(PLACE)


def _numbered(phones: pl.DataFrame) -> pl.DataFrame:
    """The phones with their number, of phones that have the place of their contract."""
    return phones.with_columns(
        (pl.col(PLACE).cast(pl.Int64) * 10**_DIGITS + pl.col("telefone").cast(pl.Int64)).alias(NUMBER)
    )


def _todays_phones(cadastro: Rows, day: date) -> pl.DataFrame:
    """Of the rows accepted today what says which phones they have, and where they come from."""
    group = [name for name in cadastro.collect_schema().names() if name.startswith("telefone_")]
    return cadastro.lazy().filter(pl.col("dia") == day).select("contrato", "arquivo", "linha", *group).collect()


def _refused(received: pl.DataFrame, contratos: pl.DataFrame, day: date, layout_name: str) -> pl.DataFrame:
    """The rows that enrich nobody: contract outside the base, or another person's CPF."""
    owned = received.join(contratos.select("contrato", dono="cpf_cnpj"), on="contrato", how="inner").filter(
        ~same_document(pl.col("cpf_cnpj"), pl.col("dono"))
    )
    divergent = set_aside(owned.with_columns(layout=pl.lit(layout_name)), day, Ignorada.CPF_DIVERGENTE)
    strangers = outside_the_base(received, contratos, day=day, layout_name=layout_name)
    return pl.concat([strangers, divergent]).sort("arquivo", "linha")


def _follow_remessa(current: pl.DataFrame, rows: pl.DataFrame, day: date, types: dict[str, str]) -> pl.DataFrame:
    """Bring the remessa's part of each contract's list to the row accepted today; contracts without one stay.

    ``lugar`` orders the remessa's phones of a contract. An enrichment still without n gets it in `_in_places`.
    """
    fresh = _phones_of_remessa(rows, types)
    new = fresh.select(NUMBER, "lugar", novo_tipo="tipo", novo_score="score")
    todays = rows.select(PLACE, hoje=pl.lit(True))
    by_remessa = pl.col("origem") == REMESSA
    stands = pl.col("lugar").is_not_null() | pl.col("hoje").is_null()
    kept = (
        current.join(todays, on=PLACE, how="left")
        .join(new, on=NUMBER, how="left")
        .filter(~by_remessa | stands | pl.col("enriquecido_em").is_not_null())
        .with_columns(
            origem=pl.when(by_remessa & stands).then(pl.lit(REMESSA)).otherwise(pl.lit(ENRIQUECIMENTO)),
            tipo=pl.when(by_remessa & pl.col("lugar").is_not_null()).then("novo_tipo").otherwise("tipo"),
            score=pl.coalesce("novo_score", "score"),
            lugar=pl.coalesce("lugar", "ordem"),
        )
        .drop("hoje", "novo_tipo", "novo_score")
    )
    added = fresh.join(current, on=NUMBER, how="anti").with_columns(origem=pl.lit(REMESSA), desde=pl.lit(day, pl.Date))
    return pl.concat([kept, added], how="diagonal")


def _add_enrichment(current: pl.DataFrame, phones: pl.DataFrame, day: date) -> pl.DataFrame:
    """New numbers at the end, in order of arrival; numbers that stand already only take the score and the day."""
    confirmed = (
        current.join(phones.select(NUMBER, novo_score="score", hoje=pl.lit(True)), on=NUMBER, how="left")
        .with_columns(
            score=pl.coalesce("novo_score", "score"),
            enriquecido_em=pl.when(pl.col("hoje")).then(pl.lit(day, pl.Date)).otherwise("enriquecido_em"),
        )
        .drop("novo_score", "hoje")
    )
    added = phones.join(current, on=NUMBER, how="anti").with_columns(
        origem=pl.lit(ENRIQUECIMENTO), desde=pl.lit(day, pl.Date), enriquecido_em=pl.lit(day, pl.Date)
    )
    return pl.concat([confirmed, added], how="diagonal")


def _in_places(current: pl.DataFrame) -> pl.DataFrame:
    """Give every phone its place, and every enrichment still without a number the next n of its contract.

    Numbers that the remessa dropped today (no ``chegada``) come before those that arrived in files.
    """
    enriched = pl.col("origem") == ENRIQUECIMENTO
    waiting = enriched & pl.col("enriquecimento").is_null()
    waited = waiting.cast(pl.Int64).cum_sum()
    # The numbered ones come before those that wait: the n known last in a contract is its highest.
    last_n = pl.when(place_within(PLACE) == 1).then(pl.col("enriquecimento").fill_null(0)).otherwise("enriquecimento")
    next_n = last_n.forward_fill() + waited - at_first(waited - waiting.cast(pl.Int64), PLACE)
    return (
        current.sort(PLACE, enriched, "enriquecimento", "chegada", "lugar", nulls_last=[True, True, True, False, True])
        .with_columns(
            ddd=pl.col("telefone").str.head(2),
            numero=pl.col("telefone").str.slice(2),
            ordem=place_within(PLACE),
            enriquecimento=pl.when(waiting).then(next_n).otherwise("enriquecimento"),
        )
        .with_columns(tipo=pl.when(enriched).then(pl.format("Enriquecimento {}", "enriquecimento")).otherwise("tipo"))
        .select(*schema(TABLE))
    )


def _phones_of_remessa(rows: pl.DataFrame, types: dict[str, str]) -> pl.DataFrame:
    """One row per usable number of each remessa row, at the first place where it stands (``lugar``)."""
    members = {"ddd": pl.String(), "numero": pl.String(), "tipo": pl.String(), "score": pl.Int64()}
    phones = unfold(rows, "telefone", members, ["contrato", PLACE, "arquivo", "linha"])
    return (
        _usable(phones.with_columns(ddd=_digits("ddd"), numero=_digits("numero")))
        .with_columns(tipo=pl.col("tipo").replace(types))
        .filter(pl.col(NUMBER).is_first_distinct())
    )


def _phones_of_files(rows: pl.DataFrame) -> pl.DataFrame:
    """One row per usable number of a contract: where it came first (``chegada``), with the newest score given."""
    phones = unfold(
        rows, "telefone", {"numero": pl.String(), "score": pl.Int64()}, ["contrato", PLACE, "ordem", "arquivo", "linha"]
    )
    whole = _digits("numero")
    return (
        _usable(phones.with_columns(ddd=whole.str.slice(0, 2), numero=whole.str.slice(2)))
        .sort("ordem", "arquivo", "linha", "lugar")
        .with_columns(chegada=pl.int_range(pl.len(), dtype=pl.Int64))
        .group_by(NUMBER, maintain_order=True)
        .agg(
            pl.col(*KEY, PLACE, "arquivo", "linha", "chegada").first(),
            pl.col("score").drop_nulls().last(),
        )
    )


def _digits(column: str) -> pl.Expr:
    """The digits of a column; zeros on the left are padding, no DDD or number starts with one."""
    return pl.col(column).str.replace_all(r"[^0-9]", "").str.strip_chars_start("0")


def _usable(phones: pl.DataFrame) -> pl.DataFrame:
    """Phones that can be dialled, with ``telefone`` (DDD and number): 8 digits, or 9 that start with 9."""
    number = pl.col("numero")
    length = number.str.len_bytes()
    dialable = (length == 8) | ((length == 9) & number.str.starts_with("9"))
    usable = phones.filter(pl.col("ddd").str.contains(DDD) & dialable)
    return _numbered(usable.with_columns(telefone=pl.concat_str("ddd", "numero")).drop(PARTS))
