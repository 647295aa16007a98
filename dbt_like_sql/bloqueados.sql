/* ---
description: >-
  Os contratos em bloqueio parcial, e os que saíram da base com o bloqueio ainda correndo, com o dia em que são
  liberados: o primeiro dia fora do prazo. Enquanto o prazo corre, a linha do contrato na remessa é ignorada; um
  contrato liberado continua em bloqueio parcial até a remessa que o traga de volta.
rules: [R015, R019, R020]
grain: Um contrato bloqueado.
key: [contrato]
columns:
  contrato: Número do contrato.
  cpf_cnpj: CPF ou CNPJ do cliente.
  id_crm: Ficha do cliente no CRM.
  situacao: Situação do contrato na base.
  motivo: Motivo da situação.
  numero_acordo: Número do acordo que bloqueou.
  bloqueado_em: Dia do bloqueio, que é o dia 0 do prazo.
  dias_de_bloqueio: Dias contados do bloqueio até hoje, no calendário do prazo.
  no_prazo: Verdadeiro enquanto a remessa do contrato é ignorada.
  liberado_em: Primeiro dia fora do prazo.
--- */
WITH liberacoes AS (
    SELECT
        ordem,
        dia
    FROM calendario
    WHERE util
),

bloqueios AS (
    SELECT
        contratos.contrato,
        contratos.cpf_cnpj,
        contratos.id_crm,
        contratos.situacao,
        contratos.motivo,
        contratos.numero_acordo,
        contratos.bloqueado_em,
        hoje.ordem - inicio.ordem AS dias_de_bloqueio,
        liberacoes.dia AS liberado_em
    FROM contratos
    LEFT JOIN calendario AS hoje ON hoje.dia = $dia
    LEFT JOIN calendario AS inicio ON inicio.dia = contratos.bloqueado_em
    LEFT JOIN liberacoes ON liberacoes.ordem = inicio.ordem + $dias_bloqueio + 1
    WHERE contratos.bloqueado_em IS NOT NULL
)

SELECT
    contrato,
    cpf_cnpj,
    id_crm,
    situacao,
    motivo,
    numero_acordo,
    bloqueado_em,
    dias_de_bloqueio,
    dias_de_bloqueio <= $dias_bloqueio AS no_prazo,
    liberado_em
FROM bloqueios
WHERE situacao = 'BLOQUEIO PARCIAL'
    OR dias_de_bloqueio <= $dias_bloqueio
ORDER BY liberado_em, contrato
