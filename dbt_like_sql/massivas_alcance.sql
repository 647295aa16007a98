/* ---
description: >-
  Cada contrato ATIVO e quando foi alcançado pela última vez por cada canal, nos últimos $dias_cobertura dias. Uma
  mensagem que o OMNE recusou não alcança ninguém.
rules: [R033, R035, R036]
grain: Um contrato ATIVO.
key: [contrato]
columns:
  contrato: Número do contrato.
  id_crm: Ficha do cliente no CRM.
  whatsapp_em: Último dia de uma mensagem de WhatsApp aceita; vazio quando não houve.
  email_em: Último dia de um e-mail.
  sms_em: Último dia de um SMS.
  canais: Quantos canais o alcançaram, de 0 a 3.
--- */
WITH alcances AS (
    SELECT
        contrato,
        max(CASE WHEN canal = 'WHATSAPP' THEN enviada_em END) AS whatsapp_em,
        max(CASE WHEN canal = 'EMAIL' THEN enviada_em END) AS email_em,
        max(CASE WHEN canal = 'SMS' THEN enviada_em END) AS sms_em,
        count(DISTINCT canal) AS canais
    FROM marcacoes
    WHERE marcacao <> 'Massiva WhatsApp enviada sem sucesso'
        AND enviada_em > CAST($dia AS DATE) - CAST($dias_cobertura AS INTEGER)
    GROUP BY contrato
)

SELECT
    contratos.contrato,
    contratos.id_crm,
    alcances.whatsapp_em,
    alcances.email_em,
    alcances.sms_em,
    CAST(coalesce(alcances.canais, 0) AS BIGINT) AS canais
FROM contratos
LEFT JOIN alcances ON contratos.contrato = alcances.contrato
WHERE contratos.situacao = 'ATIVO'
ORDER BY contratos.contrato
