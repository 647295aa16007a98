/* ---
description: >-
  Os telefones dos contratos ativos e o lugar de cada um no mailing do discador. Os da remessa ocupam os primeiros
  lugares, na ordem da remessa; os últimos são reservados aos de enriquecimento, pelo número deles. A base só guarda
  telefones que podem ser discados.
rules: [R024, R025]
grain: Um telefone de um contrato ATIVO.
key: [contrato, telefone]
columns:
  contrato: Número do contrato.
  telefone: DDD e número, só dígitos.
  ddd: DDD.
  numero: Número sem DDD.
  tipo: Tipo do telefone; os que vieram por arquivo são `Enriquecimento n`.
  score: Nota do telefone; vazia quando não informada.
  origem: REMESSA ou ENRIQUECIMENTO.
  ordem: Lugar do telefone entre todos os do contrato, na ordem de chegada.
  lugar: Lugar no mailing, a partir de 1; vazio quando não coube.
--- */
WITH posicoes AS (
    SELECT
        telefones_contato.contrato,
        telefones_contato.telefone,
        telefones_contato.ddd,
        telefones_contato.numero,
        telefones_contato.tipo,
        telefones_contato.score,
        telefones_contato.origem,
        telefones_contato.ordem,
        row_number() OVER (
            PARTITION BY telefones_contato.contrato, telefones_contato.origem = 'ENRIQUECIMENTO'
            ORDER BY telefones_contato.enriquecimento, telefones_contato.ordem, telefones_contato.telefone
        ) AS posicao
    FROM telefones_contato
    INNER JOIN contratos ON contratos.contrato = telefones_contato.contrato
    WHERE contratos.situacao = 'ATIVO'
)

SELECT
    contrato,
    telefone,
    ddd,
    numero,
    tipo,
    score,
    origem,
    ordem,
    CASE
        WHEN origem = 'ENRIQUECIMENTO' AND posicao <= $lugares_enriquecimento
            THEN $lugares - $lugares_enriquecimento + posicao
        WHEN origem <> 'ENRIQUECIMENTO' AND posicao <= $lugares - $lugares_enriquecimento
            THEN posicao
    END AS lugar
FROM posicoes
ORDER BY contrato, ordem, telefone
