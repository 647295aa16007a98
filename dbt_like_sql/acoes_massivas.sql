/* ---
description: >-
  As ações massivas por dia e canal: quantas, em quantos contratos e clientes, e com que sucesso. E-mail e SMS vêm de
  históricos do que já foi enviado; só o WhatsApp tem insucesso conhecido.
rules: [R033, R034, R035, R036, UC014, UC015]
grain: Um dia e canal que têm ações.
key: [enviada_em, canal]
columns:
  enviada_em: Dia em que a mensagem foi enviada.
  canal: WHATSAPP, EMAIL ou SMS.
  acoes: Mensagens, contada cada linha de arquivo uma vez.
  contratos: Contratos marcados.
  clientes: CPF ou CNPJ distintos dos contratos marcados.
  com_sucesso: Mensagens sem insucesso conhecido.
  sem_sucesso: Mensagens que o OMNE recusou.
  taxa_sucesso: Parte das mensagens com sucesso, de 0 a 1.
--- */
WITH mensagens AS (
    SELECT
        enviada_em,
        canal,
        arquivo,
        linha,
        min(CASE WHEN marcacao = 'Massiva WhatsApp enviada sem sucesso' THEN 0 ELSE 1 END) AS sucesso
    FROM marcacoes
    GROUP BY enviada_em, canal, arquivo, linha
),

por_mensagem AS (
    SELECT
        enviada_em,
        canal,
        count(*) AS acoes,
        sum(sucesso) AS com_sucesso
    FROM mensagens
    GROUP BY enviada_em, canal
),

por_contrato AS (
    SELECT
        marcacoes.enviada_em,
        marcacoes.canal,
        count(DISTINCT marcacoes.contrato) AS contratos,
        count(DISTINCT contratos.cpf_cnpj) AS clientes
    FROM marcacoes
    LEFT JOIN contratos ON marcacoes.contrato = contratos.contrato
    GROUP BY marcacoes.enviada_em, marcacoes.canal
)

SELECT
    por_mensagem.enviada_em,
    por_mensagem.canal,
    CAST(por_mensagem.acoes AS BIGINT) AS acoes,
    CAST(por_contrato.contratos AS BIGINT) AS contratos,
    CAST(por_contrato.clientes AS BIGINT) AS clientes,
    CAST(por_mensagem.com_sucesso AS BIGINT) AS com_sucesso,
    CAST(por_mensagem.acoes - por_mensagem.com_sucesso AS BIGINT) AS sem_sucesso,
    CAST(por_mensagem.com_sucesso AS DOUBLE) / por_mensagem.acoes AS taxa_sucesso
FROM por_mensagem
INNER JOIN por_contrato
    ON por_mensagem.enviada_em = por_contrato.enviada_em
    AND por_mensagem.canal = por_contrato.canal
ORDER BY por_mensagem.enviada_em, por_mensagem.canal
