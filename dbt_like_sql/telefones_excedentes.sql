/* ---
description: Os telefones que não couberam nos lugares do mailing.
rules: [R025]
grain: Um telefone de um contrato ATIVO.
key: [contrato, telefone]
columns:
  contrato: Número do contrato.
  telefone: DDD e número, só dígitos.
  tipo: Tipo do telefone; os que vieram por arquivo são `Enriquecimento n`.
  score: Nota do telefone; vazia quando não informada.
  origem: REMESSA ou ENRIQUECIMENTO.
  ordem: Lugar do telefone entre todos os do contrato, na ordem de chegada.
--- */
SELECT
    contrato,
    telefone,
    tipo,
    score,
    origem,
    ordem
FROM telefones_posicionados
WHERE lugar IS NULL
ORDER BY contrato, ordem, telefone
