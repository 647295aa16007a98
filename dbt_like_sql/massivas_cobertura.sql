/* ---
description: >-
  A cobertura da base ativa pelas ações massivas: por canal, quantos contratos ATIVO foram alcançados nos últimos
  $dias_cobertura dias, por QUALQUER canal e por NENHUM.
rules: [R033, R035, R036]
grain: Um canal, QUALQUER ou NENHUM.
key: [canal]
columns:
  dia: Dia de trabalho.
  canal: WHATSAPP, EMAIL, SMS, QUALQUER ou NENHUM.
  contratos: Contratos ATIVO alcançados; em NENHUM, os que nenhum canal alcançou.
  base_ativa: Contratos ATIVO da base.
  cobertura: Parte da base ativa, de 0 a 1; vazio quando a base ativa é vazia.
--- */
WITH contados AS (
    SELECT 'WHATSAPP' AS canal, count(whatsapp_em) AS contratos
    FROM massivas_alcance
    UNION ALL
    SELECT 'EMAIL' AS canal, count(email_em) AS contratos
    FROM massivas_alcance
    UNION ALL
    SELECT 'SMS' AS canal, count(sms_em) AS contratos
    FROM massivas_alcance
    UNION ALL
    SELECT 'QUALQUER' AS canal, count(*) FILTER (WHERE canais > 0) AS contratos
    FROM massivas_alcance
    UNION ALL
    SELECT 'NENHUM' AS canal, count(*) FILTER (WHERE canais = 0) AS contratos
    FROM massivas_alcance
),

base_ativa AS (
    SELECT count(*) AS contratos
    FROM massivas_alcance
)

SELECT
    CAST($dia AS DATE) AS dia,
    contados.canal,
    CAST(contados.contratos AS BIGINT) AS contratos,
    CAST(base_ativa.contratos AS BIGINT) AS base_ativa,
    CAST(contados.contratos AS DOUBLE) / nullif(base_ativa.contratos, 0) AS cobertura
FROM contados
CROSS JOIN base_ativa
ORDER BY contados.canal
