-- Reads for people: a user's statement of account, and the whole life of one order.

-- name: statement_slice
-- The next transfers that touch either account of a user. Each branch walks one index and stops at the limit.
SELECT id, tx_key, kind, order_id, source_id, dest_id, amount, created_at FROM (
  SELECT * FROM (SELECT id, tx_key, kind, order_id, source_id, dest_id, amount, created_at FROM transfers
                 WHERE source_id = :avail AND id > :after ORDER BY id LIMIT :limit) AS spent
  UNION SELECT * FROM (SELECT id, tx_key, kind, order_id, source_id, dest_id, amount, created_at FROM transfers
                       WHERE dest_id = :avail AND id > :after ORDER BY id LIMIT :limit) AS got
  UNION SELECT * FROM (SELECT id, tx_key, kind, order_id, source_id, dest_id, amount, created_at FROM transfers
                       WHERE source_id = :held AND id > :after ORDER BY id LIMIT :limit) AS settled
  UNION SELECT * FROM (SELECT id, tx_key, kind, order_id, source_id, dest_id, amount, created_at FROM transfers
                       WHERE dest_id = :held AND id > :after ORDER BY id LIMIT :limit) AS kept) AS moved
ORDER BY id LIMIT :limit

-- name: history_order
SELECT o.id, o.user_id, u.name AS user_name, o.idem_key, o.service_id, o.type, o.fields, o.quantity, o.currency, o.rate, o.rule, o.charge,
       o.refunded, o.state, o.shown, o.start_count, o.remains, o.review, o.failure, o.routes, o.can_refill, o.can_cancel,
       o.cancel_requested_at, o.answered_at, o.unheard_at, o.replays, o.created_at, o.updated_at
FROM orders o JOIN users u ON u.id = o.user_id WHERE o.id = :id

-- name: history_attempts
SELECT n, provider, provider_service, cost, currency, state, upstream_order, reason, owner, created_at, sending_at, resolved_at,
       not_before, waits_for, evidence
FROM attempts WHERE order_id = :id ORDER BY n

-- name: history_transfers
SELECT t.id, t.tx_key, t.kind, t.amount, t.currency, t.created_at, s.code AS source, d.code AS dest
FROM transfers t JOIN accounts s ON s.id = t.source_id JOIN accounts d ON d.id = t.dest_id
WHERE t.order_id = :id ORDER BY t.id

-- name: history_poll
SELECT provider, upstream_order, due_at, misses, accepted_at, terminal_at FROM polls WHERE order_id = :id

-- name: history_cancel
SELECT provider, upstream_order, sends, sent_at, due_at, answer, answered_at, created_at FROM cancels WHERE order_id = :id

-- name: history_children
SELECT provider, upstream_order, status, charge, misses, due_at FROM children WHERE order_id = :id ORDER BY id

-- name: history_refills
SELECT id, provider, upstream_refill, state, shown, created_at, updated_at FROM refills WHERE order_id = :id ORDER BY id

-- name: history_events
SELECT id, kind, actor, before, after, reason, created_at FROM events WHERE order_id = :id ORDER BY id LIMIT :limit

-- name: orders_list
-- The newest orders first; every condition may be left out.
SELECT o.id, u.name AS user_name, o.service_id, o.quantity, o.charge, o.refunded, o.currency, o.state, o.shown, o.review, o.created_at
FROM orders o JOIN users u ON u.id = o.user_id
WHERE (CAST(:user AS TEXT) IS NULL OR u.name = CAST(:user AS TEXT))
  AND (CAST(:state AS TEXT) IS NULL OR o.state = CAST(:state AS TEXT))
  AND (CAST(:review AS BIGINT) = 0 OR o.review IS NOT NULL)
  AND o.created_at >= :since
ORDER BY o.id DESC LIMIT :limit
