/* ---
description: A base por situação do contrato e faixa de atraso, em quantidades e valores.
rules: [R012]
grain: Uma situação e uma faixa de atraso que têm contratos.
key: [situacao, faixa_atraso]
columns:
  dia: Dia de trabalho.
  situacao: Situação do contrato na base.
  faixa_atraso: Faixa de atraso; `não informada` quando a remessa não traz os dias.
  contratos: Quantidade de contratos.
  clientes: Quantidade de CPF ou CNPJ distintos.
  valor_vencido: Soma das parcelas vencidas, em R$.
  valor_total: Soma da dívida, em R$.
--- */
WITH classificados AS (
    SELECT
        contratos.situacao,
        contratos.cpf_cnpj,
        contratos.valor_vencido,
        contratos.valor_total,
        faixas_atraso.ordem,
        coalesce(faixas_atraso.faixa, 'não informada') AS faixa_atraso
    FROM contratos
    LEFT JOIN faixas_atraso
        ON (faixas_atraso.de IS NULL OR contratos.dias_atraso >= faixas_atraso.de)
        AND (faixas_atraso.ate IS NULL OR contratos.dias_atraso <= faixas_atraso.ate)
)

SELECT
    CAST($dia AS DATE) AS dia,
    situacao,
    faixa_atraso,
    count(*) AS contratos,
    count(DISTINCT cpf_cnpj) AS clientes,
    CAST(coalesce(sum(valor_vencido), 0) AS DECIMAL(18, 2)) AS valor_vencido,
    CAST(coalesce(sum(valor_total), 0) AS DECIMAL(18, 2)) AS valor_total
FROM classificados
GROUP BY situacao, ordem, faixa_atraso
ORDER BY situacao, ordem, faixa_atraso
