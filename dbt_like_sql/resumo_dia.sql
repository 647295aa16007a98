/* ---
description: O resumo do dia em números, um por linha, para o painel e para acompanhar no tempo.
rules: [R003, UC001, UC003, UC007]
grain: Um número do dia.
key: [assunto, item]
columns:
  dia: Dia de trabalho.
  assunto: >-
    ARQUIVOS, LINHAS, RECUSADAS, IGNORADAS, MOVIMENTOS, SITUACAO ou MANAGER.
  item: O que se conta dentro do assunto, por exemplo um movimento, uma situação ou um motivo.
  quantidade: O número.
--- */
WITH numeros AS (
    SELECT 'ARQUIVOS' AS assunto, situacao AS item, count(*) AS quantidade
    FROM cargas
    GROUP BY situacao
    UNION ALL
    SELECT 'LINHAS' AS assunto, 'LIDAS' AS item, coalesce(sum(lidas), 0) AS quantidade
    FROM cargas
    UNION ALL
    SELECT 'LINHAS' AS assunto, 'ACEITAS' AS item, coalesce(sum(aceitas), 0) AS quantidade
    FROM cargas
    UNION ALL
    SELECT 'LINHAS' AS assunto, 'RECUSADAS' AS item, coalesce(sum(recusadas), 0) AS quantidade
    FROM cargas
    UNION ALL
    SELECT 'LINHAS' AS assunto, 'IGNORADAS' AS item, count(*) AS quantidade
    FROM ignoradas
    UNION ALL
    SELECT 'LINHAS' AS assunto, 'SUBSTITUIDAS' AS item, coalesce(sum(substituidas), 0) AS quantidade
    FROM cargas
    UNION ALL
    SELECT 'RECUSADAS' AS assunto, motivo AS item, count(*) AS quantidade
    FROM recusadas
    GROUP BY motivo
    UNION ALL
    SELECT 'IGNORADAS' AS assunto, motivo AS item, count(*) AS quantidade
    FROM ignoradas
    GROUP BY motivo
    UNION ALL
    SELECT 'MOVIMENTOS' AS assunto, movimento AS item, count(*) AS quantidade
    FROM movimentos
    GROUP BY movimento
    UNION ALL
    SELECT 'SITUACAO' AS assunto, situacao AS item, count(*) AS quantidade
    FROM contratos
    GROUP BY situacao
    UNION ALL
    SELECT 'MANAGER' AS assunto, 'CONTRATOS NO MAILING' AS item, count(*) AS quantidade
    FROM manager_mailing
    UNION ALL
    SELECT 'MANAGER' AS assunto, 'CONTRATOS A BAIXAR' AS item, count(*) AS quantidade
    FROM manager_baixa
    UNION ALL
    SELECT 'MANAGER' AS assunto, 'CONTRATOS SEM TELEFONE' AS item, count(*) AS quantidade
    FROM sem_telefone
    UNION ALL
    SELECT 'MANAGER' AS assunto, 'TELEFONES QUE NAO COUBERAM' AS item, count(*) AS quantidade
    FROM telefones_excedentes
)

SELECT
    CAST($dia AS DATE) AS dia,
    assunto,
    item,
    CAST(quantidade AS BIGINT) AS quantidade
FROM numeros
ORDER BY assunto, item
