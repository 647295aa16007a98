/* ---
description: >-
  O que veio em cada arquivo do dia: linhas lidas, aceitas e recusadas, e por que motivo; linhas usadas com ressalva;
  linhas aceitas que uma regra deixou de lado.
rules: [R003, UC001]
grain: Um arquivo vigente do dia.
key: [layout, arquivo]
columns:
  dia: Dia de trabalho.
  layout: Layout do arquivo.
  arquivo: Nome do arquivo.
  versao: Versão do arquivo, quando o mesmo nome veio com outro conteúdo.
  situacao: CARREGADO ou RECUSADO.
  motivo: Motivo da recusa do arquivo inteiro.
  lidas: Linhas lidas; é a soma das aceitas e das recusadas.
  aceitas: Linhas aceitas pelo layout.
  recusadas: Linhas recusadas pelo layout.
  parte_recusada: Linhas recusadas sobre lidas, de 0 a 1.
  recusadas_por_motivo: Recusas por motivo, a maior primeiro.
  sinalizadas: Ressalvas em linhas usadas.
  sinalizadas_por_motivo: Ressalvas por motivo, a maior primeiro.
  ignoradas: Linhas aceitas que uma regra deixou de lado.
  ignoradas_por_motivo: Linhas deixadas de lado por motivo, a maior primeiro.
  substituidas: Linhas aceitas que outro arquivo do dia substituiu.
--- */
WITH recusas AS (
    SELECT
        layout,
        arquivo,
        CAST(sum(quantidade) AS BIGINT) AS quantidade,
        string_agg(motivo || ': ' || quantidade, '; ' ORDER BY quantidade DESC, motivo) AS por_motivo
    FROM (
        SELECT layout, arquivo, motivo, count(*) AS quantidade
        FROM recusadas
        GROUP BY layout, arquivo, motivo
    ) AS por_motivo
    GROUP BY layout, arquivo
),

ressalvas AS (
    SELECT
        layout,
        arquivo,
        CAST(sum(quantidade) AS BIGINT) AS quantidade,
        string_agg(motivo || ': ' || quantidade, '; ' ORDER BY quantidade DESC, motivo) AS por_motivo
    FROM (
        SELECT layout, arquivo, motivo, count(*) AS quantidade
        FROM sinalizadas
        GROUP BY layout, arquivo, motivo
    ) AS por_motivo
    GROUP BY layout, arquivo
),

postas_de_lado AS (
    SELECT
        layout,
        arquivo,
        CAST(sum(quantidade) AS BIGINT) AS quantidade,
        string_agg(motivo || ': ' || quantidade, '; ' ORDER BY quantidade DESC, motivo) AS por_motivo
    FROM (
        SELECT layout, arquivo, motivo, count(*) AS quantidade
        FROM ignoradas
        GROUP BY layout, arquivo, motivo
    ) AS por_motivo
    GROUP BY layout, arquivo
)

SELECT
    cargas.dia,
    cargas.layout,
    cargas.arquivo,
    cargas.versao,
    cargas.situacao,
    cargas.motivo,
    cargas.lidas,
    cargas.aceitas,
    cargas.recusadas,
    CASE WHEN cargas.lidas > 0 THEN round(cargas.recusadas / cargas.lidas, 6) END AS parte_recusada,
    recusas.por_motivo AS recusadas_por_motivo,
    coalesce(ressalvas.quantidade, 0) AS sinalizadas,
    ressalvas.por_motivo AS sinalizadas_por_motivo,
    coalesce(postas_de_lado.quantidade, 0) AS ignoradas,
    postas_de_lado.por_motivo AS ignoradas_por_motivo,
    cargas.substituidas
FROM cargas
LEFT JOIN recusas ON recusas.layout = cargas.layout AND recusas.arquivo = cargas.arquivo
LEFT JOIN ressalvas ON ressalvas.layout = cargas.layout AND ressalvas.arquivo = cargas.arquivo
LEFT JOIN postas_de_lado ON postas_de_lado.layout = cargas.layout AND postas_de_lado.arquivo = cargas.arquivo
ORDER BY cargas.layout, cargas.arquivo
