/* ---
description: As faixas de atraso da carteira, como o banco as escreve, a partir dos limites de portfolio.yaml.
rules: [R012]
grain: Uma faixa.
key: [ordem]
columns:
  ordem: Ordem da faixa; 0 é a de quem está em dia.
  faixa: Nome da faixa, por exemplo `d) 91 a 120`.
  de: Primeiro dia de atraso da faixa; vazio na de quem está em dia.
  ate: Último dia de atraso da faixa; vazio na última.
--- */
WITH limites AS (
    SELECT unnest(CAST($faixas_atraso AS BIGINT[])) AS ate
),

faixas AS (
    SELECT
        row_number() OVER (ORDER BY ate) AS ordem,
        lag(ate, 1, 0) OVER (ORDER BY ate) + 1 AS de,
        ate
    FROM limites
),

ultima AS (
    SELECT
        coalesce(max(ordem), 0) + 1 AS ordem,
        coalesce(max(ate), 0) + 1 AS de
    FROM faixas
)

SELECT
    CAST(0 AS BIGINT) AS ordem,
    'em dia' AS faixa,
    CAST(NULL AS BIGINT) AS de,
    CAST(0 AS BIGINT) AS ate
UNION ALL
SELECT
    ordem,
    chr(CAST(96 + ordem AS INTEGER)) || ') ' || de || ' a ' || ate AS faixa,
    de,
    ate
FROM faixas
UNION ALL
SELECT
    ordem,
    chr(CAST(96 + ordem AS INTEGER)) || ') acima de ' || (de - 1) AS faixa,
    de,
    CAST(NULL AS BIGINT) AS ate
FROM ultima
ORDER BY ordem
