"""What is worth a look on a day: one small rule each, over the facts, ranked; the first five go on the report.

A finding has the numbers and what to do next, in Portuguese. Thresholds are those of ``report:`` in portfolio.yaml;
what each rule means is in docs/report.md. A day without enough days before it is compared with nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median

from atom_pipeline.day import Status
from atom_pipeline.portfolio import Report
from atom_pipeline.report.facts import Facts, FileOfDay, LayoutBefore
from atom_pipeline.report.numbers import decimal, integer, percent, plural
from atom_pipeline.rules.acordos import UNKNOWN_MOTIVE
from atom_pipeline.rules.state import Ignorada

MOST = 5
REFUSED = "RECUSADO"
DOUBTFUL = ("incerto", "enviando")
FEWEST_DAYS = 3  # days before without which no share is said to have jumped, and nothing to be new


@dataclass(frozen=True)
class Finding:
    """Something worth a look. ``weight`` ranks it, from 0 to 100; ``rule`` is its name in docs/report.md."""

    rule: str
    weight: float
    title: str
    numbers: str
    next: str


Rule = Callable[[Facts, Report], Iterable[Finding]]


def findings(facts: Facts, limits: Report) -> list[Finding]:
    """All that the rules find, the weightiest first; equal weights in the order of rule and title."""
    found = [finding for rule in RULES for finding in rule(facts, limits)]
    return sorted(found, key=lambda one: (-one.weight, one.rule, one.title))


def held_steps(facts: Facts, _limits: Report) -> Iterator[Finding]:
    for guard in facts.guards:
        if guard.waits:
            yield Finding(
                "etapa-retida",
                100,
                f"Etapa {guard.guard} retida",
                f"{percent(guard.share)}, com limite de {percent(guard.limit)}. Nada mudou na base por esta etapa.",
                f"Confira o arquivo com o banco. Se estiver certo, decida release-{guard.guard}; se não, peça outro.",
            )


def refused_files(facts: Facts, _limits: Report) -> Iterator[Finding]:
    for file in facts.files:
        if file.status == REFUSED:
            yield Finding(
                "arquivo-recusado",
                97 if file.layout in facts.required else 93,
                f"Arquivo recusado: {file.layout}",
                f"{file.name}: {file.refusal or file.code or 'fora do layout'}",
                "Peça o arquivo corrigido e ponha no drop com o mesmo nome; o dia é refeito com ele.",
            )


def missing_files(facts: Facts, _limits: Report) -> Iterator[Finding]:
    for item in facts.expected:
        if item.status is Status.LATE:
            due = f"; era esperado até {item.due:%d/%m %H:%M}" if item.due else ""
            yield Finding(
                "arquivo-atrasado",
                90 if item.required else 60,
                f"Arquivo que não chegou: {item.name}",
                f"Nenhum arquivo de {item.name} foi recebido{due}.",
                "Cobre o banco. A carga espera por ele até o prazo." if item.required else "Pergunte se ele vem.",
            )


def sending_problems(facts: Facts, _limits: Report) -> Iterator[Finding]:
    for wave in facts.waves:
        if wave.status == "planned":
            yield Finding(
                "onda-nao-entregue",
                88,
                f"Onda {wave.label} não entregue",
                f"{plural(wave.rows, 'linha planejada', 'linhas planejadas')} e ainda não enviadas ao Manager.",
                "Veja se o servidor do Manager responde; a próxima execução do dia continua o envio.",
            )
    cargas = [wave for wave in facts.waves if wave.kind == "carga" and wave.status == "sent"]
    if cargas and cargas[-1].note:
        yield Finding(
            "carga-incompleta",
            85,
            "A carga foi sem tudo o que o dia espera",
            cargas[-1].note,
            "Quando o que falta chegar, o dia é refeito e o Manager recebe um incremental.",
        )
    elif facts.made and not cargas and facts.not_sent:
        yield Finding(
            "carga-nao-enviada",
            86,
            "A carga do dia não foi enviada",
            "; ".join(facts.not_sent),
            "Resolva o que falta, ou decida send-now para enviar com o que há.",
        )


def near_limits(facts: Facts, limits: Report) -> Iterator[Finding]:
    """A step that passed, and not by much; one that was released is told as well."""
    for guard in facts.guards:
        numbers = f"{percent(guard.share)}, com limite de {percent(guard.limit)}."
        if guard.released and guard.held:
            yield Finding(
                "guarda-liberada",
                55,
                f"Etapa {guard.guard} liberada por decisão",
                numbers,
                "Confira amanhã se o volume voltou ao normal.",
            )
        elif not guard.held and (used := _used(guard.guard, guard.share, guard.limit)) >= limits.near_limit:
            yield Finding(
                "perto-do-limite",
                70 + 10 * min(used, 1),
                f"Etapa {guard.guard} perto do limite",
                f"{numbers} Usou {percent(used, 0)} do que a guarda permite.",
                "Confira com o banco se o volume era esperado antes que o próximo arquivo seja retido.",
            )


def _used(guard: str, share: float, limit: float) -> float:
    """How much of a limit was used; above 1 it was passed, in a base too small to be held."""
    if guard == "remessa":
        return limit / share if share else 1.0
    return share / limit if limit else 0.0


def rejects_jump(facts: Facts, limits: Report) -> Iterator[Finding]:
    for layout, files in _by_layout(facts).items():
        refused, read = sum(file.refused for file in files), sum(file.read for file in files)
        before = _compared(facts, layout, limits)
        if len(before) < FEWEST_DAYS or not read or refused < limits.smallest_rejects:
            continue
        usual, share = median(one.refused / one.read for one in before), refused / read
        if share >= limits.rejects_share and share >= limits.rejects_factor * usual:
            reasons = sum((Counter(file.reasons) for file in files), Counter[str]())
            most = ", ".join(f"{reason} {integer(count)}" for reason, count in _largest(reasons)[:3])
            yield Finding(
                "salto-de-recusas",
                72 + 10 * min(share, 1),
                f"Salto de linhas recusadas em {layout}",
                f"{integer(refused)} de {integer(read)} ({percent(share)}); o usual é {percent(usual)}. {most}".strip(),
                "Abra o arquivo de erros, corrija a coluna original e devolva ao drop; avise o banco do motivo.",
            )


def layout_changes(facts: Facts, limits: Report) -> Iterator[Finding]:
    """Reasons and flags that no file of the days before had, and flags that became many: the layout may be changing."""
    for layout, files in _by_layout(facts).items():
        before = _compared(facts, layout, limits)
        if len(before) < FEWEST_DAYS:
            continue
        found = sum((Counter(file.reasons) + Counter(file.flags) for file in files), Counter[str]())
        known = {name for one in before for name in (*one.reasons, *one.flags)}
        fresh = {name: n for name, n in found.items() if name not in known and n >= limits.smallest_rejects}
        if fresh:
            told = ", ".join(f"{name} {integer(count)}" for name, count in _largest(fresh)[:3])
            yield Finding(
                "layout-mudando",
                78,
                f"O layout {layout} parece estar mudando",
                f"Motivos que não havia em {plural(len(before), 'dia comparado', 'dias comparados')}: {told}.",
                "Compare o arquivo com a página do layout e pergunte ao banco se há versão nova.",
            )
        yield from _flags_jump(layout, files, before, fresh, limits)


def _flags_jump(
    layout: str,
    files: Sequence[FileOfDay],
    before: Sequence[LayoutBefore],
    told: Mapping[str, int],
    limits: Report,
) -> Iterator[Finding]:
    flags = sum((Counter(file.flags) for file in files), Counter[str]())
    read = sum(file.read for file in files)
    for name, count in _largest({name: n for name, n in flags.items() if name not in told}):
        usual = median(one.flags.get(name, 0) / one.read for one in before)
        jumped = bool(read) and count / read >= limits.rejects_factor * usual and count / read >= limits.rejects_share
        if count >= limits.smallest_rejects and jumped:
            yield Finding(
                "sinalizados-em-alta",
                62,
                f"Mais valores sinalizados em {layout}",
                f"{name}: {integer(count)} de {integer(read)} ({percent(count / read)}); o usual é {percent(usual)}.",
                "Veja a tabela sinalizadas do dia e confirme com o banco o domínio do campo.",
            )


def unknown_motives(facts: Facts, _limits: Report) -> Iterator[Finding]:
    count = sum(n for file in facts.files for name, n in file.flags.items() if name.startswith(UNKNOWN_MOTIVE))
    if count:
        yield Finding(
            "motivo-de-acordo-desconhecido",
            66,
            "Acordos com motivo desconhecido",
            f"{plural(count, 'linha bloqueou', 'linhas bloquearam')} com motivo que não está em portfolio.yaml.",
            "Pergunte ao banco o que o motivo quer dizer e inclua em motives_known ou motives_without_block.",
        )


def set_aside_jump(facts: Facts, limits: Report) -> Iterator[Finding]:
    for layout, files in _by_layout(facts).items():
        aside = sum((Counter(file.aside) for file in files), Counter[str]())
        aside.pop(Ignorada.IGNORADO_BLOQUEIO.value, None)  # R020: as many as are in the block's window
        total, read = aside.total(), sum(file.read for file in files)
        before = _compared(facts, layout, limits)
        if len(before) < FEWEST_DAYS or not read or total < limits.smallest_rejects:
            continue
        usual, share = median(one.aside / one.read for one in before), total / read
        if share >= limits.rejects_share and share >= limits.rejects_factor * usual:
            most = ", ".join(f"{reason} {integer(count)}" for reason, count in _largest(aside)[:3])
            yield Finding(
                "salto-de-ignoradas",
                64,
                f"Mais linhas fora da base em {layout}",
                f"{integer(total)} de {integer(read)} ({percent(share)}); o usual é {percent(usual)}. {most}",
                "Confira se o arquivo é desta carteira e se a remessa que traz os contratos chegou.",
            )


def remessa_size(facts: Facts, limits: Report) -> Iterator[Finding]:
    """A file of the remessa's size against those before it; the guard holds what is far too small."""
    for layout, files in _by_layout(facts).items():
        before = _compared(facts, layout, limits)
        if not layout.startswith("remessa_assessoria") or not before:
            continue
        usual, read = median(one.read for one in before), sum(file.read for file in files)
        change = read / usual - 1 if usual else 0.0
        if abs(change) >= limits.remessa_change:
            word = "menor" if change < 0 else "maior"
            yield Finding(
                "remessa-fora-do-usual",
                74,
                f"Remessa {percent(abs(change), 0)} {word} que o usual",
                f"{integer(read)} linhas; a mediana de {plural(len(before), 'dia', 'dias')} é {integer(usual)}.",
                "Confirme com o banco se a carteira mudou de tamanho ou se falta parte do arquivo.",
            )


def coverage(facts: Facts, limits: Report) -> Iterator[Finding]:
    now = facts.totals.coverage if facts.totals else None
    before = [one.coverage for one in facts.history[-limits.compared_days :] if one.coverage is not None]
    if facts.totals is None or now is None or not before:
        return
    usual = median(before)
    if usual - now >= limits.coverage_fall:
        fall = decimal((usual - now) * 100)
        yield Finding(
            "cobertura-em-queda",
            68,
            "Menos contratos com telefone",
            f"{percent(now)} dos ativos têm telefone; o usual é {percent(usual)} (queda de {fall} pontos). "
            f"{plural(facts.totals.without_phone, 'contrato ficou', 'contratos ficaram')} fora do mailing.",
            "Peça enriquecimento (arquivo de telefones) para os contratos da tabela sem_telefone.",
        )


def uncertain_messages(facts: Facts, _limits: Report) -> Iterator[Finding]:
    count = sum(facts.messages.get(state, 0) for state in DOUBTFUL)
    if count:
        yield Finding(
            "mensagens-incertas",
            65,
            "Mensagens de WhatsApp sem resposta certa",
            f"{plural(count, 'mensagem', 'mensagens')} que não se sabe se o OMNE enviou.",
            "Confira no OMNE e resolva cada uma com `atom massiva resolver`.",
        )


RULES: tuple[Rule, ...] = (
    held_steps,
    refused_files,
    missing_files,
    sending_problems,
    near_limits,
    rejects_jump,
    layout_changes,
    unknown_motives,
    set_aside_jump,
    remessa_size,
    coverage,
    uncertain_messages,
)


def _by_layout(facts: Facts) -> dict[str, list[FileOfDay]]:
    """The files that were read, by layout; one that was refused whole has a finding of its own."""
    out: dict[str, list[FileOfDay]] = {}
    for file in facts.files:
        if file.status != REFUSED and file.read:
            out.setdefault(file.layout, []).append(file)
    return out


def _compared(facts: Facts, layout: str, limits: Report) -> list[LayoutBefore]:
    days = [one for one in facts.layouts_before.get(layout, ()) if one.read]
    return days[-limits.compared_days :]


def _largest(counts: Mapping[str, int]) -> list[tuple[str, int]]:
    return sorted(counts.items(), key=lambda item: (-item[1], item[0]))
