"""Random days of random files for one small agency: fourteen contracts, five clients, four portfolios.

What belongs here: how days are drawn, by Hypothesis and by dice, and how they become files and frames. What does not:
what the days should give (``reference``) and the comparison (``test_against_reference``).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, time
from random import Random
from typing import Any

import polars as pl
from hypothesis import strategies as st
from reference import File

from atom_pipeline.layout.model import Layout
from atom_pipeline.portfolio import Portfolio
from atom_pipeline.rules.guards import Guard
from atom_pipeline.rules.merge import merge_files

CPFS = ["52998224725", "11144477735", "11222333000181", "39053344705", "15350946056"]
CONTRATOS = {f"{n:010d}": CPFS[n % len(CPFS)] for n in range(1, 15)}  # two or three of each client
STRANGER = "0000000099"
GUARDS = tuple(guard.value for guard in Guard)
WHOLE = ("parcela", "valor", "telefone_1_score")
TYPES: dict[str, Any] = dict.fromkeys(WHOLE, pl.Int64) | {"data_movimento": pl.Date}
FIELDS = {
    "remessa": ("contrato", "cpf_cnpj", "nome", "valor", "telefone_1_ddd", "telefone_1_numero"),
    "parcelas": ("contrato", "parcela"),
    "telefones": ("cpf_cnpj", "contrato", "telefone_1_numero", "telefone_1_score"),
    "acordos": ("contrato", "numero_acordo", "parcela", "motivo", "data_movimento"),
    "exclusao": ("contrato", "motivo"),
    "batimento": ("contrato", "carteira", "cod_assessoria"),
}
MERGES = {
    "remessa": "latest_per_key",
    "parcelas": "replace_per_key",
    "telefones": "append",
    "acordos": "union",
    "exclusao": "union",
    "batimento": "newest_file",
}
LAYOUT_STAGES = {stage: stage for stage in FIELDS} | {"acordos_posicional": "acordos"}


def layout(name: str, stage: str) -> Layout:
    types = {"contrato": {"type": "digits", "zero_pad": 10}, "data_movimento": {"type": "date", "format": "AAAAMMDD"}}
    types |= {field: {"type": "integer"} for field in WHOLE}
    fields = [{"name": field, **types.get(field, {})} for field in FIELDS[stage]]
    return Layout.model_validate(
        {
            "layout": name,
            "title": name,
            "description": name,
            "stage": stage,
            "names": [f"<AAAAMMDD>_{name}.csv"],
            "merge": MERGES[stage],
            "key": ["contrato"],
            "versions": [{"format": {"kind": "delimited"}, "records": [{"name": "linha_de_dados", "fields": fields}]}],
        }
    )


LAYOUTS = {name: layout(name, stage) for name, stage in LAYOUT_STAGES.items()}


def portfolio(guards: dict[str, Any], block: dict[str, Any]) -> Portfolio:
    return Portfolio.model_validate(
        {
            "portfolio": "veiculos",
            "title": "Veículos",
            "description": "Carteira de teste",
            "creditor": "Banco",
            "ascob": "528",
            "campaign": {"id": 1, "name": "Veículos"},
            "operation": {"start": "2025-01-01"},
            "contrato_digits": 10,
            "contratos_columns": ["valor"],
            "block": {"motives_known": ["ACORDO"], "motives_without_block": ["QUEBRA"], **block},
            "guards": guards,
            "batimento": {"carteiras": ["VEICULOS"], "cod_assessoria": ["528"]},
        }
    )


OFF = {"smallest_base": 1000}
ON = {"smallest_base": 3, "max_baixa_batimento": 0.4, "max_exclusao": 0.15, "max_acordos": 0.3, "min_remessa": 0.6}
PORTFOLIOS = {
    "guards off": portfolio(OFF, {}),
    "guards on": portfolio(ON, {}),
    "calendar days": portfolio(OFF, {"calendar": "calendar", "days": 2}),
    "by client": portfolio(OFF, {"by": "cliente"}),
}
STARTS = [date(2026, 2, 10), date(2026, 11, 16), date(2025, 12, 26)]  # Carnival, 20 November, the turn of the year


@dataclass(frozen=True)
class Day:
    """One drawn day: how long after the one before, its files by stage, and what an operator decided."""

    gap: int
    files: dict[str, list[tuple[str, int, list[dict[str, Any]]]]]  # stage: (layout, hour of the stamp, rows)
    decisions: frozenset[str]
    seed: int


some = st.lists(st.sampled_from([*CONTRATOS, STRANGER]), max_size=6)
few = st.lists(st.sampled_from(sorted(CONTRATOS)), unique=True, max_size=4)
most = few.map(lambda out: [contrato for contrato in CONTRATOS if contrato not in out])
hour = st.integers(0, 3)


@st.composite
def remessa_rows(draw: st.DrawFn) -> list[dict[str, Any]]:
    changed = draw(few)
    return [
        {"contrato": contrato, "cpf_cnpj": CONTRATOS[contrato], "valor": int(contrato in changed)}
        for contrato in draw(most | most | most | few)
    ]


@st.composite
def acordo_rows(draw: st.DrawFn) -> list[dict[str, Any]]:
    short = draw(st.booleans())
    return [
        {
            "contrato": contrato.lstrip("0") if short else contrato,
            "numero_acordo": draw(st.sampled_from(["1", "2", "3"])),
            "parcela": draw(st.integers(1, 2)),
            "motivo": draw(st.sampled_from(["ACORDO", "ACORDO", "QUEBRA", "DESCONHECIDO"])),
            "data_movimento": date(2026, 1, draw(st.integers(1, 2))),
        }
        for contrato in draw(some)
    ]


@st.composite
def batimento_rows(draw: st.DrawFn) -> list[dict[str, Any]]:
    short = draw(st.booleans())
    others = {contrato: draw(st.sampled_from([("OUTRA", "528"), ("VEICULOS", "999")])) for contrato in draw(few)}
    listed = draw(most | most | most | some)
    out = []
    for contrato in listed + draw(some):
        carteira, code = others.get(contrato, ("VEICULOS", "528"))
        written = contrato.lstrip("0") if short else contrato
        out.append({"contrato": written, "carteira": carteira, "cod_assessoria": code})
    return out


exclusao_rows = st.lists(st.sampled_from([*CONTRATOS, STRANGER]), max_size=3).map(
    lambda rows: [{"contrato": contrato, "motivo": "RETIRADA"} for contrato in rows]
)
parcelas_rows = some.map(lambda rows: [{"contrato": contrato, "parcela": n} for n, contrato in enumerate(rows)])
telefones_rows = st.lists(st.tuples(st.sampled_from([*CONTRATOS, STRANGER]), st.sampled_from(CPFS)), max_size=3).map(
    lambda rows: [
        {"contrato": contrato, "cpf_cnpj": cpf, "telefone_1_numero": "11911110001", "telefone_1_score": 1}
        for contrato, cpf in rows
    ]
)


def files_of(stage: str, rows: st.SearchStrategy[list[dict[str, Any]]]) -> st.SearchStrategy[list[Any]]:
    """Up to two files, most often one."""
    names = st.sampled_from([name for name, its_stage in LAYOUT_STAGES.items() if its_stage == stage])
    file = st.tuples(names, hour, rows)
    one = st.lists(file, min_size=1, max_size=1)
    return one | one | st.lists(file, max_size=2)


DAY = st.builds(
    Day,
    gap=st.sampled_from([1, 1, 1, 2, 3, 4]),
    files=st.fixed_dictionaries(
        {
            "remessa": st.just([]) | files_of("remessa", remessa_rows()),
            "parcelas": files_of("parcelas", parcelas_rows),
            "telefones": files_of("telefones", telefones_rows),
            "acordos": st.just([]) | files_of("acordos", acordo_rows()),  # most blocks grow old untouched
            "exclusao": st.just([]) | files_of("exclusao", exclusao_rows),
            "batimento": files_of("batimento", batimento_rows()),
        }
    ),
    decisions=st.frozensets(st.sampled_from([f"release-{guard}" for guard in GUARDS]), max_size=1),
    seed=st.integers(0, 9),
)


def as_files(day: date, drawn: Day, arrived: int) -> dict[str, list[File]]:
    """The files of a day by stage, named, stamped and numbered in order of arrival."""
    out: dict[str, list[File]] = {}
    for stage, files in drawn.files.items():
        for name, hour_of, rows in files:
            arrived += 1
            stamp = datetime.combine(day, time(hour_of))
            out.setdefault(stage, []).append(File(name, f"{name}_{arrived}", stamp, arrived, tuple(rows)))
    return out


def as_frame(file: File, seed: int) -> pl.DataFrame:
    """The file's accepted rows in any order."""
    fields = FIELDS[LAYOUT_STAGES[file.layout]]
    schema = {field: TYPES.get(field, pl.String) for field in fields} | {"linha": pl.UInt32}
    same = (
        {"nome": "Fulano", "telefone_1_ddd": "11", "telefone_1_numero": "33330001"} if file.layout == "remessa" else {}
    )
    rows = [{**row, **same, "linha": linha} for linha, row in enumerate(file.rows, start=1)]
    return (
        pl.DataFrame(rows, schema=schema)
        .with_columns(
            registro=pl.lit("linha_de_dados"),
            arquivo=pl.lit(file.arquivo),
            carimbo=pl.lit(file.carimbo, pl.Datetime("us")),
            ordem=pl.lit(file.ordem, pl.Int64),
        )
        .sample(fraction=1, shuffle=True, seed=seed)
    )


def received(files: dict[str, list[File]], seed: int) -> dict[str, pl.DataFrame | None]:
    """The day's merged rows by layout, None where no file came."""
    out: dict[str, pl.DataFrame | None] = {}
    for name, its_layout in LAYOUTS.items():
        its_files = [file for files_of_stage in files.values() for file in files_of_stage if file.layout == name]
        stamps = [(file.carimbo, file.ordem) for file in its_files]
        frames = [as_frame(file, seed) for file in its_files]
        out[name] = merge_files(frames, its_layout.merge, its_layout.key, stamps=stamps).frame if frames else None
    return out


def busy_day(dice: Random) -> Day:
    """A day on which everything happens in shares that let blocks grow old: what Hypothesis seldom draws."""
    cut = {stage: dice.random() < 0.2 for stage in GUARDS}  # now and then a file that its guard must stop
    absent = dice.uniform(0.4, 1) if cut["batimento"] else 0.1
    missing = 0.8 if cut["remessa"] else 0.3
    listed = [contrato for contrato in CONTRATOS if dice.random() > absent]
    rows = {
        "remessa": [
            {"contrato": contrato, "cpf_cnpj": cpf, "valor": dice.choice([0, 0, 0, 1])}
            for contrato, cpf in CONTRATOS.items()
            if dice.random() > missing
        ],
        "acordos": [
            {
                "contrato": dice.choice([*CONTRATOS, STRANGER]),
                "numero_acordo": dice.choice("12345678"),
                "parcela": 1,
                "motivo": dice.choice(["ACORDO", "ACORDO", "QUEBRA", "DESCONHECIDO"]),
                "data_movimento": date(2026, 1, 1),
            }
            for _ in range(10 if cut["acordos"] else dice.randrange(5))
        ],
        "exclusao": [
            {"contrato": dice.choice([*CONTRATOS, STRANGER]), "motivo": "RETIRADA"}
            for _ in range(8 if cut["exclusao"] else dice.randrange(1, 3))
        ],
        "batimento": [
            {"contrato": contrato, "carteira": dice.choice(["VEICULOS"] * 15 + ["OUTRA"]), "cod_assessoria": "528"}
            for contrato in [*listed, STRANGER]
        ],
    }
    share = {"remessa": 0.7, "acordos": 0.6, "exclusao": 0.3, "batimento": 0.6}
    return Day(
        gap=dice.choice([1, 1, 1, 2, 3]),
        files={stage: [(stage, 0, rows[stage])] for stage in rows if dice.random() < share[stage]},
        decisions=frozenset(f"release-{guard}" for guard in GUARDS if dice.random() < 0.4),
        seed=dice.randrange(9),
    )
