/* ---
description: Os contratos ATIVO que nenhum canal alcançou nos últimos $dias_cobertura dias.
rules: [R033, R035, R036]
grain: Um contrato ATIVO sem ação massiva.
key: [contrato]
columns:
  contrato: Número do contrato.
  id_crm: Ficha do cliente no CRM.
  situacao_desde: Dia em que o contrato ficou ativo.
  dias_atraso: Dias de atraso.
  tem_telefone: Se algum telefone do contrato é conhecido.
--- */
SELECT
    contratos.contrato,
    contratos.id_crm,
    contratos.situacao_desde,
    contratos.dias_atraso,
    EXISTS (
        SELECT 1 AS um
        FROM telefones_contato
        WHERE telefones_contato.contrato = contratos.contrato
    ) AS tem_telefone
FROM contratos
INNER JOIN massivas_alcance ON contratos.contrato = massivas_alcance.contrato
WHERE massivas_alcance.canais = 0
ORDER BY contratos.contrato
