"""Who is who across files and days: canonical documents and contract numbers, and the client's id at the CRM.

What belongs here: the one form in which a CPF, a CNPJ or a contract number is compared, and `id_crm`. What does not:
whether a document is valid (``layout.checks``) and how it is shown masked (``masking``).
"""

from __future__ import annotations

from base64 import b32encode
from hashlib import blake2b

import polars as pl

ID_CRM_BYTES = 10  # 80 bits: among 50 million clients the chance that any two meet is about one in a billion
CPF_LENGTH = 11
CNPJ_LENGTH = 14


def canonical_document(document: pl.Expr) -> pl.Expr:
    """CPF or CNPJ (String) without punctuation, in capitals, zeros on the left restored to 11 or 14 places.

    A CNPJ is text: since July 2026 it may hold letters. Blank gives null.
    """
    bare = document.str.to_uppercase().str.replace_all(r"[^0-9A-Z]", "")
    short = bare.str.len_bytes() <= CPF_LENGTH
    padded = pl.when(short).then(bare.str.zfill(CPF_LENGTH)).otherwise(bare.str.zfill(CNPJ_LENGTH))
    return pl.when(bare.str.len_bytes() > 0).then(padded)


def same_document(left: pl.Expr, right: pl.Expr) -> pl.Expr:
    """Whether two documents are one, whatever zeros a spreadsheet ate or a wide field added on the left.

    Boolean; false when either is missing.
    """
    bare_left, bare_right = (
        side.str.to_uppercase().str.replace_all(r"[^0-9A-Z]", "").str.strip_chars_start("0") for side in (left, right)
    )
    return (bare_left == bare_right).fill_null(False)


def canonical_contrato(contrato: pl.Expr, digits: int | None = None) -> pl.Expr:
    """Contract number (String) as the base holds it: trimmed, and zeros on the left brought to ``digits`` places.

    ``digits`` is the portfolio's ``contrato_digits``; None keeps the zeros as they came. Numbers longer than that once
    stripped are left as they are: they belong to nobody and end in the error file. Blank gives null.
    """
    bare = contrato.str.strip_chars()
    bare = pl.when(bare.str.len_bytes() > 0).then(bare)
    return bare if digits is None else bare.str.strip_chars_start("0").str.zfill(digits)


def id_crm(portfolio: str, documents: pl.Series) -> pl.Series:
    """The client's id: 16 characters A-Z and 2-7 per CPF/CNPJ, the same on every replay and machine.

    ``documents`` is a String series of any length with repetitions; the answer has the same length and is called
    ``id_crm``. The portfolio is part of the hash, so one person has one id per portfolio. Null stays null. The id is a
    pseudonym: who has it and the portfolio's name can find the CPF by trial, so it is handled as personal data.
    """
    canonical = documents.to_frame("documento").select(canonical_document(pl.col("documento")))["documento"]
    distinct = canonical.unique().drop_nulls()
    ids = pl.Series("id_crm", [_hash(portfolio, document) for document in distinct], dtype=pl.String)
    return canonical.replace_strict(distinct, ids, default=None, return_dtype=pl.String).alias("id_crm")


def _hash(portfolio: str, document: str) -> str:
    digest = blake2b(f"{portfolio}\0{document}".encode(), digest_size=ID_CRM_BYTES).digest()
    return b32encode(digest).decode("ascii")
