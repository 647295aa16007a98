/* ---
description: >-
  O que o Manager tem e não deve mais ter: contratos enviados a ele que hoje não estão no mailing, com o motivo.
  Contrato que nunca foi enviado não tem baixa.
rules: [UC007]
grain: Um contrato que o Manager tem.
key: [contrato]
columns:
  contrato: Número do contrato.
  id_crm: Ficha do cliente no CRM, como foi enviada.
  cpf_cnpj: CPF ou CNPJ do cliente.
  motivo: >-
    Situação do contrato na base; SEM TELEFONE quando está ativo e não tem telefone com lugar no mailing; FORA DA BASE
    quando a base não o conhece.
  data: Dia em que o contrato saiu, que é o dia da situação; hoje quando ficou sem telefone ou fora da base.
--- */
SELECT
    manager_atual.contrato,
    manager_atual.id_crm,
    coalesce(contratos.cpf_cnpj, fichas.cpf_cnpj) AS cpf_cnpj,
    CASE
        WHEN contratos.situacao IS NULL THEN 'FORA DA BASE'
        WHEN contratos.situacao = 'ATIVO' THEN 'SEM TELEFONE'
        ELSE contratos.situacao
    END AS motivo,
    CASE
        WHEN contratos.situacao <> 'ATIVO' THEN contratos.situacao_desde
        ELSE CAST($dia AS DATE)
    END AS data
FROM manager_atual
LEFT JOIN contratos ON contratos.contrato = manager_atual.contrato
LEFT JOIN fichas ON fichas.id_crm = manager_atual.id_crm
WHERE NOT EXISTS (SELECT 1 AS um FROM manager_mailing WHERE manager_mailing.contrato = manager_atual.contrato)
ORDER BY manager_atual.contrato
