/* ---
description: >-
  Os contratos ativos que ficam fora do mailing por não terem telefone com lugar nele. Com o mailing, são todos os
  contratos ATIVO.
rules: [R024, R025]
grain: Um contrato ATIVO sem telefone.
key: [contrato]
columns:
  contrato: Número do contrato.
  cpf_cnpj: CPF ou CNPJ do cliente.
  id_crm: Ficha do cliente no CRM.
  situacao_desde: Dia em que o contrato ficou ativo.
  primeira_alta: Dia da primeira entrada na base.
  ultima_remessa: Dia da última remessa que trouxe o contrato.
--- */
SELECT
    contratos.contrato,
    contratos.cpf_cnpj,
    contratos.id_crm,
    contratos.situacao_desde,
    contratos.primeira_alta,
    contratos.ultima_remessa
FROM contratos
WHERE contratos.situacao = 'ATIVO'
    AND NOT EXISTS (
        SELECT 1 AS um
        FROM telefones_posicionados
        WHERE telefones_posicionados.contrato = contratos.contrato AND telefones_posicionados.lugar IS NOT NULL
    )
ORDER BY contratos.contrato
