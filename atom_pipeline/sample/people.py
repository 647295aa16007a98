"""Invented people: documents with valid digits, names, phones and addresses, each a function of a person's index.

What belongs here: everything about who the debtor is. What the debtor owes is in ``loans``; which file a value goes to
is in ``fields``. Nobody here exists: names are drawn from Faker's Brazilian lists, documents by arithmetic.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt
import polars as pl
from faker import Faker

from atom_pipeline.sample.draws import Draws, Integers, Mask, word

COMPANY_SHARE = 0.04
ALPHANUMERIC_SHARE = 0.25  # of the companies: since July 2026 a CNPJ may have letters
SHARED_PHONE_SHARE = 0.03  # people who left the number of a relative or an office
ALPHABET = np.frombuffer(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ", dtype=np.uint8)

# name, state, DDD, first three digits of its CEPs
CITIES = (
    ("SÃO PAULO", "SP", 11, 10),
    ("GUARULHOS", "SP", 11, 70),
    ("CAMPINAS", "SP", 19, 130),
    ("RIBEIRÃO PRETO", "SP", 16, 140),
    ("SÃO JOSÉ DOS CAMPOS", "SP", 12, 122),
    ("SANTOS", "SP", 13, 110),
    ("BAURU", "SP", 14, 170),
    ("PRESIDENTE PRUDENTE", "SP", 18, 190),
    ("RIO DE JANEIRO", "RJ", 21, 200),
    ("NITERÓI", "RJ", 21, 240),
    ("MACAÉ", "RJ", 22, 279),
    ("VITÓRIA", "ES", 27, 290),
    ("BELO HORIZONTE", "MG", 31, 301),
    ("JUIZ DE FORA", "MG", 32, 360),
    ("UBERLÂNDIA", "MG", 34, 384),
    ("MONTES CLAROS", "MG", 38, 394),
    ("CURITIBA", "PR", 41, 800),
    ("LONDRINA", "PR", 43, 860),
    ("MARINGÁ", "PR", 44, 870),
    ("FLORIANÓPOLIS", "SC", 48, 880),
    ("JOINVILLE", "SC", 47, 892),
    ("CHAPECÓ", "SC", 49, 898),
    ("PORTO ALEGRE", "RS", 51, 900),
    ("CAXIAS DO SUL", "RS", 54, 950),
    ("PELOTAS", "RS", 53, 960),
    ("BRASÍLIA", "DF", 61, 700),
    ("GOIÂNIA", "GO", 62, 740),
    ("CUIABÁ", "MT", 65, 780),
    ("CAMPO GRANDE", "MS", 67, 790),
    ("PALMAS", "TO", 63, 770),
    ("SALVADOR", "BA", 71, 400),
    ("FEIRA DE SANTANA", "BA", 75, 440),
    ("ARACAJU", "SE", 79, 490),
    ("MACEIÓ", "AL", 82, 570),
    ("RECIFE", "PE", 81, 500),
    ("JOÃO PESSOA", "PB", 83, 580),
    ("NATAL", "RN", 84, 590),
    ("FORTALEZA", "CE", 85, 600),
    ("TERESINA", "PI", 86, 640),
    ("SÃO LUÍS", "MA", 98, 650),
    ("BELÉM", "PA", 91, 660),
    ("MACAPÁ", "AP", 96, 689),
    ("MANAUS", "AM", 92, 690),
    ("BOA VISTA", "RR", 95, 693),
    ("PORTO VELHO", "RO", 69, 768),
    ("RIO BRANCO", "AC", 68, 699),
)
CITY_WEIGHTS = [6.0 if city[0] in {"SÃO PAULO", "RIO DE JANEIRO"} else 1.0 for city in CITIES]

ACTIVITIES = ("TRANSPORTES LTDA", "COMÉRCIO DE PEÇAS LTDA ME", "LOCAÇÕES EIRELI", "ALIMENTAÇÃO LTDA", "CONSTRUÇÕES S/A")
OCCUPATIONS = (
    "MOTORISTA",
    "PROFESSORA",
    "COMERCIÁRIO",
    "AUTÔNOMO",
    "TÉCNICO DE ENFERMAGEM",
    "MECÂNICO",
    "COZINHEIRA",
    "SERVIDOR PÚBLICO",
    "APOSENTADO",
    "VENDEDOR",
    "PEDREIRO",
    "ESTUDANTE",
)


@dataclass(frozen=True)
class Pools:
    """The lists that values are drawn from, made once per seed."""

    women: pl.Series
    men: pl.Series
    last_names: pl.Series
    streets: pl.Series
    districts: pl.Series


def make_pools(seed: int) -> Pools:
    """Some hundreds of names, streets and districts in capitals, with their accents."""
    faker = Faker("pt_BR")
    faker.seed_instance(seed)

    def pool(make: Callable[[], str], size: int) -> pl.Series:
        drawn = dict.fromkeys(make().upper() for _ in range(size * 4))
        return pl.Series(list(drawn)[:size], dtype=pl.String)

    return Pools(
        women=pool(faker.first_name_female, 120),
        men=pool(faker.first_name_male, 120),
        last_names=pool(faker.last_name, 100),
        streets=pool(faker.street_name, 600),
        districts=pool(faker.bairro, 300),
    )


def digits(values: Integers, width: int) -> pl.Series:
    """Numbers as text, zeros on the left."""
    return pl.Series(values, dtype=pl.Int64).cast(pl.String).str.zfill(width)


def text_of(codes: npt.NDArray[np.uint8]) -> pl.Series:
    """Rows of a two-dimensional array of ASCII codes as text."""
    width = codes.shape[1]
    joined = np.ascontiguousarray(codes).view(f"S{width}").ravel().astype(f"U{width}")
    return pl.Series(joined.tolist(), dtype=pl.String)


def choose(pool: pl.Series, positions: Integers) -> pl.Series:
    """The pool's values at those positions."""
    return pool.gather(pl.Series(positions, dtype=pl.UInt32))


# powers of 3, 7, 11 and 13: permutations that are unlike each other, so that a CPF tells nothing of a contract's number
CONTRACTS, CPFS, CNPJS, RENAVAMS = 387_420_489, 282_475_249, 214_358_881, 815_730_721


def scramble(indices: Integers, modulus: int, multiplier: int, salt: int) -> Integers:
    """A permutation of 0..modulus-1 (a power of ten), so that consecutive indices give unlike, distinct numbers.

    ``multiplier`` is below 2 ** 30 and prime to ten, indices are below 10 ** 10.
    """
    scrambled = (indices.astype(np.uint64) * np.uint64(multiplier) + np.uint64(salt % modulus)) % np.uint64(modulus)
    return scrambled.astype(np.int64)


def check_digit(columns: npt.NDArray[np.int64], weights: list[int]) -> Integers:
    """The modulus 11 digit of CPF and CNPJ for each row of digits."""
    rest = (columns @ np.asarray(weights, dtype=np.int64)) % 11
    return np.where(rest < 2, 0, 11 - rest).astype(np.int64)


def with_check_digits(columns: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """The two check digits appended: 9 columns make a CPF, 12 (letters count as code - 48) a CNPJ."""
    size = columns.shape[1]
    cycle = list(range(2, 12)) if size == 9 else list(range(2, 10))
    for length in (size, size + 1):
        weights = [cycle[place % len(cycle)] for place in range(length)][::-1]
        columns = np.column_stack([columns, check_digit(columns, weights)])
    return columns


def split_digits(values: Integers, width: int) -> npt.NDArray[np.int64]:
    """One column per decimal digit, the most significant first."""
    powers = 10 ** np.arange(width - 1, -1, -1, dtype=np.int64)
    return (values[:, None] // powers) % 10


@dataclass(frozen=True)
class People:
    """The people behind an array of indices; the same index is the same person in every file and chunk.

    ``version`` counts the times a person's registration changed: phones, address and e-mail follow it. ``companies``
    is off for the people around a client: they are never companies.
    """

    index: Integers
    version: Integers
    draws: Draws
    pools: Pools
    companies: bool = True

    @cached_property
    def is_company(self) -> Mask:
        return self.draws.share(COMPANY_SHARE if self.companies else 0.0, self.index, "company")

    @cached_property
    def cpf(self) -> pl.Series:
        """CPF of 11 digits; never one digit repeated."""
        base = scramble(self.index, 10**9, CPFS, self.draws.seed * 7919 + 1)
        repeated = base % 111_111_111 == 0
        base = np.where(repeated, scramble(base, 10**9, CPFS, self.draws.seed * 7919 + 1), base)
        return text_of((with_check_digits(split_digits(base, 9)) + 48).astype(np.uint8))

    @cached_property
    def cnpj(self) -> pl.Series:
        """CNPJ of 14 places of a head office; the root of some has letters."""
        root = split_digits(scramble(self.index, 10**8, CNPJS, self.draws.seed * 104_729 + 3), 8)
        codes = root + 48
        lettered = self.draws.share(ALPHANUMERIC_SHARE, self.index, "alphanumeric")
        for place in (2, 5):
            letters = 65 + self.draws.below(26, self.index, "letter", place)
            codes[:, place] = np.where(lettered, letters, codes[:, place])
        branch = np.broadcast_to(np.asarray([48, 48, 48, 49], dtype=np.int64), (len(root), 4))
        values = with_check_digits(np.column_stack([codes, branch]) - 48)
        return text_of((values + 48).astype(np.uint8))

    @cached_property
    def document(self) -> pl.Series:
        """CPF or CNPJ, without punctuation."""
        return self.cnpj.zip_with(pl.Series(self.is_company), self.cpf)

    @cached_property
    def name(self) -> pl.Series:
        """Name in capitals with accents; a company's has its activity."""
        return self.named("name").zip_with(~pl.Series(self.is_company), self._company_name())

    @cached_property
    def is_woman(self) -> Mask:
        return self.draws.share(0.5, self.index, "woman")

    def _first_name(self, who: str) -> pl.Series:
        parents = {"mother": np.ones(len(self.index), dtype=bool), "father": np.zeros(len(self.index), dtype=bool)}
        is_woman = pl.Series(parents.get(who, self.is_woman), dtype=pl.Boolean)
        drawn = self.draws.below(1_000_000, self.index, who, "first")
        man = choose(self.pools.men, drawn % len(self.pools.men))
        return choose(self.pools.women, drawn % len(self.pools.women)).zip_with(is_woman, man)

    def named(self, who: str) -> pl.Series:
        """A name: the person's own (``name``), that of the ``mother`` or ``father``; all share the last name."""
        first = self._first_name(who)
        places = len(self.pools.last_names)
        middle = choose(self.pools.last_names, self.draws.below(places, self.index, who, "middle"))
        last = choose(self.pools.last_names, self.draws.below(places, self.index, "last"))
        short = pl.Series(self.draws.share(0.3, self.index, who, "short"))
        return (first + " " + last).zip_with(short, first + " " + middle + " " + last)

    def _company_name(self) -> pl.Series:
        last = choose(self.pools.last_names, self.draws.below(len(self.pools.last_names), self.index, "last"))
        activity = self.draws.below(len(ACTIVITIES), self.index, "activity")
        return last + " " + choose(pl.Series(ACTIVITIES), activity)

    def relative(self, who: str) -> People:
        """Somebody of these people's circle (spouse, first guarantor): of a range of indices of their own."""
        offset = 100_000_000 + int(word(who) % np.uint64(8)) * 100_000_000
        return People(self.index + offset, self.version, self.draws, self.pools, companies=False)

    @cached_property
    def city(self) -> Integers:
        """Position in ``CITIES``."""
        return self._city_of(self.index)

    def _city_of(self, index: Integers) -> Integers:
        return self.draws.weighted(CITY_WEIGHTS, index, "city", 0)

    def _line(self, place: int) -> Integers:
        """Whose n-th phone it is: the person's, or of one with a number near by who shares it."""
        shared = self.draws.share(SHARED_PHONE_SHARE, self.index, "shared", place)
        own = self.index * 64 + np.minimum(self.version, 63)
        return np.where(shared, self.index // 11 * 11 * 64, own)

    def ddd(self, place: int = 1) -> Integers:
        """DDD of the n-th phone: the city's, sometimes another's."""
        line = self._line(place)
        codes = np.asarray([city[2] for city in CITIES], dtype=np.int64)
        elsewhere = self.draws.below(len(CITIES), line, "elsewhere", place)
        moved = self.draws.share(0.08, line, "moved", place)
        return codes[np.where(moved, elsewhere, self._city_of(line // 64))]

    def is_mobile(self, place: int = 1) -> Mask:
        return self.draws.share(0.75 if place <= 3 else 0.4, self._line(place), "mobile", place)

    def phone(self, place: int = 1) -> Integers:
        """Number of the n-th phone without DDD: 9 digits of a mobile, 8 of a landline. Some people share theirs."""
        line = self._line(place)
        mobile = 900_000_000 + self.draws.between(60_000_000, 99_999_999, line, "mobile number", place)
        landline = self.draws.between(20_000_000, 59_999_999, line, "landline number", place)
        return np.where(self.is_mobile(place), mobile, landline)

    def phone_with_ddd(self, place: int = 1) -> pl.Series:
        """DDD and number in one: 10 or 11 digits."""
        return pl.Series(self.ddd(place)).cast(pl.String) + pl.Series(self.phone(place)).cast(pl.String)

    def mobile_with_ddd(self) -> pl.Series:
        """The person's mobile with DDD: 11 digits."""
        number = 900_000_000 + self.draws.between(60_000_000, 99_999_999, self.index, "own mobile")
        return pl.Series(self.ddd()).cast(pl.String) + pl.Series(number).cast(pl.String)

    def email(self, place: int = 1) -> pl.Series:
        """An address at a domain kept for examples, without accents."""
        plain = self._first_name("name").str.normalize("NFKD").str.replace_all(r"[^A-Za-z]", "").str.to_lowercase()
        suffix = pl.Series((self.index * 7 + self.version) % 1_000_000).cast(pl.String)
        host = pl.Series(["example.com", "example.com.br", "example.net", "example.org"])
        return plain + "." + suffix + "@" + choose(host, self.draws.below(4, self.index, "host", place))

    def cities_of(self, place: int) -> Integers:
        """City of the n-th address: the first is the home, the others are near it or elsewhere."""
        away = self.draws.weighted(CITY_WEIGHTS, self.index, "city", place)
        return self.city if place <= 1 else np.where(self.draws.share(0.7, self.index, "near", place), self.city, away)

    def cep(self, place: int = 1) -> pl.Series:
        """CEP of 8 digits inside the city's range."""
        starts = np.asarray([city[3] for city in CITIES], dtype=np.int64)
        rest = self.draws.below(100_000, self.index * 64 + np.minimum(self.version, 63), "cep", place)
        return digits(starts[self.cities_of(place)] * 100_000 + rest, 8)
