-- Reads for the metrics that take long on a large house; run on a snapshot of their own, beside the writer.

-- name: money_owed
-- What users have with us: free to spend, and held for orders without an outcome.
SELECT a.currency, CAST(SUM(CASE WHEN a.id = u.avail_account THEN a.balance ELSE 0 END) AS BIGINT) AS available,
       CAST(SUM(CASE WHEN a.id = u.held_account THEN a.balance ELSE 0 END) AS BIGINT) AS held
FROM accounts a JOIN users u ON u.id = a.user_id GROUP BY a.currency

-- name: money_moved
-- What was captured, given back and spent since a moment; ids rise with time, so that the first of them bounds the walk. The way is
-- told only of costs, whose ends are house accounts: a row for each provider and direction.
SELECT t.kind, t.currency, CASE WHEN t.kind = 'cost' THEN s.code ELSE '' END AS source,
       CASE WHEN t.kind = 'cost' THEN d.code ELSE '' END AS dest,
       CAST(SUM(t.amount) AS BIGINT) AS amount, MIN(t.created_at) AS first_at
FROM transfers t JOIN accounts s ON s.id = t.source_id JOIN accounts d ON d.id = t.dest_id
WHERE t.id >= :first AND t.created_at >= :since AND t.kind IN ('capture', 'refund', 'cost')
GROUP BY t.kind, t.currency, CASE WHEN t.kind = 'cost' THEN s.code ELSE '' END, CASE WHEN t.kind = 'cost' THEN d.code ELSE '' END

-- name: orders_open_at
-- What is open at some providers: sent, or on its way, and without an end. A planned attempt is none: it goes another way.
SELECT a.provider, o.currency, COUNT(*) AS orders, CAST(SUM(o.charge - o.refunded) AS BIGINT) AS charge
FROM attempts a JOIN orders o ON o.id = a.order_id
WHERE a.state IN ('sending','unknown','accepted') AND o.state IN ('placing','unknown','active') AND a.provider {ANY_TEXT:providers}
GROUP BY a.provider, o.currency ORDER BY a.provider, o.currency

-- name: service_paces
-- How long what was completed within the last days took, by our service, where so many are known.
SELECT o.service_id, CAST(AVG(p.terminal_at - p.accepted_at) AS BIGINT) AS ms
FROM polls p JOIN orders o ON o.id = p.order_id
WHERE p.terminal_at IS NOT NULL AND o.state = 'completed'
GROUP BY o.service_id HAVING COUNT(*) >= CAST(:known AS BIGINT)

-- name: orders_stuck
-- Orders under way for a multiple of what their service's orders took that were completed within the last days, whose polls are kept
-- for 72 hours. A service of which too few are known is judged by the time given for that.
WITH pace AS (
  SELECT o.service_id, CAST(AVG(p.terminal_at - p.accepted_at) AS BIGINT) AS ms
  FROM polls p JOIN orders o ON o.id = p.order_id
  WHERE p.terminal_at IS NOT NULL AND o.state = 'completed'
  GROUP BY o.service_id HAVING COUNT(*) >= CAST(:known AS BIGINT))
SELECT p.provider, COUNT(*) AS orders
FROM polls p JOIN orders o ON o.id = p.order_id LEFT JOIN pace ON pace.service_id = o.service_id
WHERE p.terminal_at IS NULL AND CAST(:now AS BIGINT) - p.accepted_at >
  CASE WHEN pace.ms IS NULL THEN CAST(:unknown_ms AS BIGINT)
       WHEN pace.ms * CAST(:times AS BIGINT) < CAST(:least_ms AS BIGINT) THEN CAST(:least_ms AS BIGINT)
       ELSE pace.ms * CAST(:times AS BIGINT) END
GROUP BY p.provider
