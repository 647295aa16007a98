/* ---
description: >-
  Os contratos ativos que ficam fora do mailing por não terem telefone com lugar nele. Com o mailing, são todos os
  contratos ATIVO.
rules: [R024, R025]
grain: Um contrato ATIVO sem telefone utilizável.
key: [contrato]
columns:
  contrato: Número do contrato.
  cpf_cnpj: CPF ou CNPJ do cliente.
  id_crm: Ficha do cliente no CRM.
  situacao_desde: Dia em que o contrato ficou ativo.
  primeira_alta: Dia da primeira entrada na base.
  ultima_remessa: Dia da última remessa que trouxe o contrato.
  telefones_recebidos: Telefones guardados do contrato, nenhum deles utilizável.
--- */
WITH com_lugar AS (
    SELECT DISTINCT contrato
    FROM telefones_posicionados
    WHERE lugar IS NOT NULL
),

recebidos AS (
    SELECT
        contrato,
        count(*) AS quantidade
    FROM telefones_contato
    GROUP BY contrato
)

SELECT
    contratos.contrato,
    contratos.cpf_cnpj,
    contratos.id_crm,
    contratos.situacao_desde,
    contratos.primeira_alta,
    contratos.ultima_remessa,
    coalesce(recebidos.quantidade, 0) AS telefones_recebidos
FROM contratos
LEFT JOIN recebidos ON recebidos.contrato = contratos.contrato
WHERE contratos.situacao = 'ATIVO'
    AND NOT EXISTS (SELECT 1 AS um FROM com_lugar WHERE com_lugar.contrato = contratos.contrato)
ORDER BY contratos.contrato
