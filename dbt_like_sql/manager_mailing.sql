/* ---
description: >-
  O que o discador deve ter: uma linha por contrato ATIVO com ao menos um telefone com lugar no mailing. A diferença
  entre isto e o que o Manager tem é o que cada onda envia.
rules: [R012, R025, UC003]
grain: Um contrato ATIVO com telefone.
key: [contrato]
columns:
  id_crm: Ficha do cliente no CRM.
  id_campanha: Campanha no CRM.
  contrato: Número do contrato.
  cpf_cnpj: CPF ou CNPJ do cliente.
  nome: Nome do cliente.
  carteira: Carteira do contrato no banco.
  produto: Produto financiado.
  dias_atraso: Dias de atraso.
  faixa_atraso: Faixa de atraso, pelos limites da carteira.
  prazo: Parcelas do contrato.
  parcelas_pagas: Parcelas pagas.
  vencidas: Parcelas vencidas.
  a_vencer: Parcelas a vencer.
  valor_parcela: Valor da parcela, em R$.
  valor_vencido: Valor das parcelas vencidas, em R$.
  valor_total: Valor total da dívida, em R$.
  data_vencimento_mais_antigo: Vencimento da parcela vencida mais antiga.
  marca: Marca do veículo.
  modelo: Modelo do veículo.
  ano_fabricacao: Ano de fabricação do veículo.
  ano_modelo: Ano do modelo do veículo.
  placa: Placa do veículo.
  acordo_outro_contrato: S quando o cliente tem outro contrato em bloqueio parcial por acordo; senão N.
  refin_disponivel: S quando há oferta de refinanciamento para o contrato; senão N.
  telefone_<1..10>_ddd: DDD do telefone de lugar {n}.
  telefone_<1..10>_numero: Número, sem DDD, do telefone de lugar {n}.
  telefone_<1..10>_tipo: Tipo do telefone de lugar {n}.
  telefone_<1..10>_score: Nota do telefone de lugar {n}.
--- */
WITH telefones AS (
    -- um telefone por lugar: any_value escolhe entre um só
    SELECT
        contrato,
        any_value(ddd) FILTER (WHERE lugar = 1) AS telefone_1_ddd,
        any_value(numero) FILTER (WHERE lugar = 1) AS telefone_1_numero,
        any_value(tipo) FILTER (WHERE lugar = 1) AS telefone_1_tipo,
        any_value(score) FILTER (WHERE lugar = 1) AS telefone_1_score,
        any_value(ddd) FILTER (WHERE lugar = 2) AS telefone_2_ddd,
        any_value(numero) FILTER (WHERE lugar = 2) AS telefone_2_numero,
        any_value(tipo) FILTER (WHERE lugar = 2) AS telefone_2_tipo,
        any_value(score) FILTER (WHERE lugar = 2) AS telefone_2_score,
        any_value(ddd) FILTER (WHERE lugar = 3) AS telefone_3_ddd,
        any_value(numero) FILTER (WHERE lugar = 3) AS telefone_3_numero,
        any_value(tipo) FILTER (WHERE lugar = 3) AS telefone_3_tipo,
        any_value(score) FILTER (WHERE lugar = 3) AS telefone_3_score,
        any_value(ddd) FILTER (WHERE lugar = 4) AS telefone_4_ddd,
        any_value(numero) FILTER (WHERE lugar = 4) AS telefone_4_numero,
        any_value(tipo) FILTER (WHERE lugar = 4) AS telefone_4_tipo,
        any_value(score) FILTER (WHERE lugar = 4) AS telefone_4_score,
        any_value(ddd) FILTER (WHERE lugar = 5) AS telefone_5_ddd,
        any_value(numero) FILTER (WHERE lugar = 5) AS telefone_5_numero,
        any_value(tipo) FILTER (WHERE lugar = 5) AS telefone_5_tipo,
        any_value(score) FILTER (WHERE lugar = 5) AS telefone_5_score,
        any_value(ddd) FILTER (WHERE lugar = 6) AS telefone_6_ddd,
        any_value(numero) FILTER (WHERE lugar = 6) AS telefone_6_numero,
        any_value(tipo) FILTER (WHERE lugar = 6) AS telefone_6_tipo,
        any_value(score) FILTER (WHERE lugar = 6) AS telefone_6_score,
        any_value(ddd) FILTER (WHERE lugar = 7) AS telefone_7_ddd,
        any_value(numero) FILTER (WHERE lugar = 7) AS telefone_7_numero,
        any_value(tipo) FILTER (WHERE lugar = 7) AS telefone_7_tipo,
        any_value(score) FILTER (WHERE lugar = 7) AS telefone_7_score,
        any_value(ddd) FILTER (WHERE lugar = 8) AS telefone_8_ddd,
        any_value(numero) FILTER (WHERE lugar = 8) AS telefone_8_numero,
        any_value(tipo) FILTER (WHERE lugar = 8) AS telefone_8_tipo,
        any_value(score) FILTER (WHERE lugar = 8) AS telefone_8_score,
        any_value(ddd) FILTER (WHERE lugar = 9) AS telefone_9_ddd,
        any_value(numero) FILTER (WHERE lugar = 9) AS telefone_9_numero,
        any_value(tipo) FILTER (WHERE lugar = 9) AS telefone_9_tipo,
        any_value(score) FILTER (WHERE lugar = 9) AS telefone_9_score,
        any_value(ddd) FILTER (WHERE lugar = 10) AS telefone_10_ddd,
        any_value(numero) FILTER (WHERE lugar = 10) AS telefone_10_numero,
        any_value(tipo) FILTER (WHERE lugar = 10) AS telefone_10_tipo,
        any_value(score) FILTER (WHERE lugar = 10) AS telefone_10_score
    FROM telefones_posicionados
    WHERE lugar IS NOT NULL
    GROUP BY contrato
),

clientes_em_acordo AS (
    SELECT DISTINCT cpf_cnpj
    FROM contratos
    WHERE situacao = 'BLOQUEIO PARCIAL'
),

ofertas AS (
    SELECT DISTINCT contrato
    FROM refin_vigente
)

SELECT
    contratos.id_crm,
    fichas.id_campanha,
    contratos.contrato,
    contratos.cpf_cnpj,
    fichas.nome,
    contratos.carteira,
    contratos.produto,
    contratos.dias_atraso,
    faixas_atraso.faixa AS faixa_atraso,
    contratos.prazo,
    contratos.parcelas_pagas,
    contratos.vencidas,
    contratos.a_vencer,
    contratos.valor_parcela,
    contratos.valor_vencido,
    contratos.valor_total,
    contratos.data_vencimento_mais_antigo,
    contratos.marca,
    contratos.modelo,
    contratos.ano_fabricacao,
    contratos.ano_modelo,
    contratos.placa,
    CASE WHEN clientes_em_acordo.cpf_cnpj IS NULL THEN 'N' ELSE 'S' END AS acordo_outro_contrato,
    CASE WHEN ofertas.contrato IS NULL THEN 'N' ELSE 'S' END AS refin_disponivel,
    telefones.telefone_1_ddd,
    telefones.telefone_1_numero,
    telefones.telefone_1_tipo,
    telefones.telefone_1_score,
    telefones.telefone_2_ddd,
    telefones.telefone_2_numero,
    telefones.telefone_2_tipo,
    telefones.telefone_2_score,
    telefones.telefone_3_ddd,
    telefones.telefone_3_numero,
    telefones.telefone_3_tipo,
    telefones.telefone_3_score,
    telefones.telefone_4_ddd,
    telefones.telefone_4_numero,
    telefones.telefone_4_tipo,
    telefones.telefone_4_score,
    telefones.telefone_5_ddd,
    telefones.telefone_5_numero,
    telefones.telefone_5_tipo,
    telefones.telefone_5_score,
    telefones.telefone_6_ddd,
    telefones.telefone_6_numero,
    telefones.telefone_6_tipo,
    telefones.telefone_6_score,
    telefones.telefone_7_ddd,
    telefones.telefone_7_numero,
    telefones.telefone_7_tipo,
    telefones.telefone_7_score,
    telefones.telefone_8_ddd,
    telefones.telefone_8_numero,
    telefones.telefone_8_tipo,
    telefones.telefone_8_score,
    telefones.telefone_9_ddd,
    telefones.telefone_9_numero,
    telefones.telefone_9_tipo,
    telefones.telefone_9_score,
    telefones.telefone_10_ddd,
    telefones.telefone_10_numero,
    telefones.telefone_10_tipo,
    telefones.telefone_10_score
FROM contratos
INNER JOIN telefones ON telefones.contrato = contratos.contrato
LEFT JOIN fichas ON fichas.id_crm = contratos.id_crm
LEFT JOIN faixas_atraso
    ON (faixas_atraso.de IS NULL OR contratos.dias_atraso >= faixas_atraso.de)
    AND (faixas_atraso.ate IS NULL OR contratos.dias_atraso <= faixas_atraso.ate)
LEFT JOIN clientes_em_acordo ON clientes_em_acordo.cpf_cnpj = contratos.cpf_cnpj
LEFT JOIN ofertas ON ofertas.contrato = contratos.contrato
WHERE contratos.situacao = 'ATIVO'
ORDER BY contratos.contrato
