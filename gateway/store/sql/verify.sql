-- Verification of the books: each statement answers the rows that break an invariant, of one slice. They lock nothing.

-- name: verify_totals
SELECT (SELECT COUNT(*) FROM orders) AS orders, (SELECT COUNT(*) FROM accounts) AS accounts, (SELECT COUNT(*) FROM transfers) AS transfers

-- name: verify_orders_slice
SELECT id FROM orders WHERE id > :after ORDER BY id LIMIT :limit

-- name: verify_accounts_slice
SELECT id FROM accounts WHERE id > :after ORDER BY id LIMIT :limit

-- name: verify_transfers_slice
SELECT MAX(id) AS upto, COUNT(*) AS transfers FROM (SELECT id FROM transfers WHERE id > :after ORDER BY id LIMIT :limit) AS slice

-- name: verify_transfer_from
-- The first transfer from an id on: ids rise with time, so the first of a day is found by halving.
SELECT id, created_at FROM transfers WHERE id >= :id ORDER BY id LIMIT 1

-- name: verify_event_from
SELECT id, created_at FROM events WHERE id >= :id ORDER BY id LIMIT 1

-- name: verify_newest
SELECT COALESCE((SELECT MAX(id) FROM transfers), 0) AS transfer, COALESCE((SELECT MAX(id) FROM events), 0) AS event

-- name: verify_touched
-- What moved between two transfers: orders, and accounts under their ids below nought.
SELECT order_id AS id FROM transfers WHERE id > :after AND id <= :upto AND order_id IS NOT NULL
UNION SELECT -source_id FROM transfers WHERE id > :after AND id <= :upto
UNION SELECT -dest_id FROM transfers WHERE id > :after AND id <= :upto

-- name: verify_changed
-- Orders that something happened to, money or not.
SELECT DISTINCT order_id AS id FROM events WHERE id > :after AND id <= :upto AND order_id IS NOT NULL

-- name: verify_transfers
-- Each transfer by itself: it has two ends and an order that exist, in its currency, and goes the way of its kind under a key of that
-- kind. Whose accounts they are and whether the key is of this very order is seen with the order.
SELECT t.id, t.tx_key, t.kind, t.order_id, t.amount, t.currency, s.code AS source, d.code AS dest,
  CASE WHEN s.id IS NULL OR d.id IS NULL THEN 1 ELSE 0 END AS bad_somewhere,
  CASE WHEN s.currency <> t.currency OR d.currency <> t.currency THEN 1 ELSE 0 END AS bad_currency,
  CASE WHEN t.order_id IS NOT NULL AND o.id IS NULL THEN 1 ELSE 0 END AS bad_order
FROM transfers t LEFT JOIN accounts s ON s.id = t.source_id LEFT JOIN accounts d ON d.id = t.dest_id
  LEFT JOIN orders o ON o.id = t.order_id
WHERE t.id > :after AND t.id <= :upto
  AND (s.id IS NULL OR d.id IS NULL OR s.currency <> t.currency OR d.currency <> t.currency
    OR (t.order_id IS NOT NULL AND o.id IS NULL)
    OR CASE t.kind
      WHEN 'hold' THEN s.user_id IS NULL OR d.user_id IS NULL OR t.order_id IS NULL
      WHEN 'void' THEN s.user_id IS NULL OR d.user_id IS NULL OR t.order_id IS NULL
      WHEN 'capture' THEN s.user_id IS NULL OR d.code <> 'sales:' || t.currency OR t.order_id IS NULL
      WHEN 'refund' THEN d.user_id IS NULL OR s.code <> 'refunds:' || t.currency OR t.order_id IS NULL
      WHEN 'cost' THEN t.order_id IS NULL OR NOT (
        (s.code LIKE 'provider:%' AND (d.code LIKE 'cost:%' OR d.code LIKE 'losses:%'))
        OR (d.code LIKE 'provider:%' AND (s.code LIKE 'cost:%' OR s.code LIKE 'losses:%')))
      WHEN 'deposit' THEN t.order_id IS NOT NULL OR t.tx_key NOT LIKE 'dep:%' OR s.code <> 'world:' || t.currency
        OR d.code NOT LIKE 'user:%:avail'
      WHEN 'adjust' THEN t.order_id IS NOT NULL OR t.tx_key NOT LIKE 'adj:%' OR NOT (
        (s.code = 'world:' || t.currency AND d.code LIKE 'user:%:avail')
        OR (d.code = 'world:' || t.currency AND s.code LIKE 'user:%:avail'))
      ELSE 1 = 1 END)
ORDER BY t.id

-- name: verify_accounts
-- Each account against its transfers (I1), nought (I2), and, for what is held, the user's orders in the open (I3).
-- A house account keeps no balance, so there is nothing to compare.
SELECT * FROM (
  SELECT sums.*,
    CASE WHEN enforced = 1 AND balance <> moved THEN 1 ELSE 0 END AS bad_balance,
    CASE WHEN enforced = 1 AND balance < 0 THEN 1 ELSE 0 END AS bad_below,
    CASE WHEN held = 1 AND balance <> in_open THEN 1 ELSE 0 END AS bad_held,
    CASE WHEN user_currency <> currency THEN 1 ELSE 0 END AS bad_currency
  FROM (
    SELECT a.id, a.code, a.user_id, a.currency, a.enforced, a.balance, u.currency AS user_currency,
      CASE WHEN u.held_account = a.id THEN 1 ELSE 0 END AS held,
      CAST(COALESCE((SELECT SUM(amount) FROM transfers WHERE dest_id = a.id), 0)
        - COALESCE((SELECT SUM(amount) FROM transfers WHERE source_id = a.id), 0) AS BIGINT) AS moved,
      CASE WHEN u.held_account = a.id THEN CAST(COALESCE(open.amount, 0) AS BIGINT) ELSE 0 END AS in_open
    FROM accounts a LEFT JOIN users u ON u.id = a.user_id
      LEFT JOIN (SELECT user_id, SUM(charge - refunded) AS amount FROM orders
                 WHERE state IN ('reserved', 'placing', 'unknown') GROUP BY user_id) AS open ON open.user_id = a.user_id
    WHERE a.id {ANY:ids} AND a.enforced = 1) AS sums) AS judged
WHERE bad_balance + bad_below + bad_held + bad_currency > 0
ORDER BY id

-- name: verify_orders
-- Each order against its transfers and attempts (I4 to I8). Attempts are counted apart, in one walk for the slice: asked for order by
-- order they cost PostgreSQL as much again as all the rest (measured).
-- An order that its user was given back whole while nobody could tell its outcome is canceled without an accepted attempt.
SELECT * FROM (
  SELECT told.*,
    CASE WHEN state <> 'failed' AND paid <> charge - refunded THEN 1 ELSE 0 END AS bad_paid,
    CASE WHEN charge > 0 AND holds <> 1 THEN 1 ELSE 0 END AS bad_hold,
    CASE WHEN (state IN ('active', 'completed', 'partial') AND accepted <> 1)
      OR (state = 'canceled' AND accepted <> 1 AND (accepted > 1 OR refunded < charge)) THEN 1 ELSE 0 END AS bad_accepted,
    CASE WHEN state = 'failed' AND (live > 0 OR voided <> charge) THEN 1 ELSE 0 END AS bad_failed,
    CASE WHEN captures <> CASE WHEN charge > 0 AND state IN ('active', 'completed', 'partial', 'canceled') THEN 1 ELSE 0 END
      THEN 1 ELSE 0 END AS bad_captured,
    CASE WHEN refunds > charge THEN 1 ELSE 0 END AS bad_refunds,
    CASE WHEN refunds <> refunded THEN 1 ELSE 0 END AS bad_refunded,
    CASE WHEN costs > 0 AND accepted = 0 THEN 1 ELSE 0 END AS bad_cost,
    CASE WHEN foreigns > 0 THEN 1 ELSE 0 END AS bad_currency,
    CASE WHEN misfits > 0 THEN 1 ELSE 0 END AS bad_kind
  FROM (
    SELECT o.id, o.user_id, o.state, o.charge, o.refunded, o.currency,
      SUM(CASE WHEN t.kind = 'hold' THEN 1 ELSE 0 END) AS holds,
      CAST(SUM(CASE WHEN t.kind = 'hold' THEN t.amount WHEN t.kind IN ('void', 'refund') THEN -t.amount ELSE 0 END) AS BIGINT) AS paid,
      SUM(CASE WHEN t.kind = 'capture' THEN 1 ELSE 0 END) AS captures,
      CAST(SUM(CASE WHEN t.kind = 'void' THEN t.amount ELSE 0 END) AS BIGINT) AS voided,
      CAST(SUM(CASE WHEN t.kind = 'refund' THEN t.amount ELSE 0 END) AS BIGINT) AS refunds,
      SUM(CASE WHEN t.kind = 'cost' THEN 1 ELSE 0 END) AS costs,
      SUM(CASE WHEN t.kind <> 'cost' AND t.currency <> o.currency THEN 1 ELSE 0 END) AS foreigns,
      SUM(CASE t.kind
        WHEN 'hold' THEN CASE WHEN t.tx_key = 'hold:' || o.id AND t.source_id = u.avail_account AND t.dest_id = u.held_account
          THEN 0 ELSE 1 END
        WHEN 'capture' THEN CASE WHEN t.tx_key = 'capture:' || o.id AND t.source_id = u.held_account THEN 0 ELSE 1 END
        WHEN 'void' THEN CASE WHEN t.tx_key = 'void:' || o.id AND t.source_id = u.held_account AND t.dest_id = u.avail_account
          THEN 0 ELSE 1 END
        WHEN 'refund' THEN CASE WHEN t.tx_key LIKE 'refund:' || o.id || ':%' AND t.dest_id = u.avail_account THEN 0 ELSE 1 END
        WHEN 'cost' THEN CASE WHEN t.tx_key LIKE 'cost:' || o.id || ':%' THEN 0 ELSE 1 END
        ELSE CASE WHEN t.id IS NULL THEN 0 ELSE 1 END END) AS misfits,
      COALESCE(MAX(w.accepted), 0) AS accepted, COALESCE(MAX(w.live), 0) AS live
    FROM orders o JOIN users u ON u.id = o.user_id LEFT JOIN transfers t ON t.order_id = o.id
      LEFT JOIN (
        SELECT a.order_id, SUM(CASE WHEN a.state = 'accepted' THEN 1 ELSE 0 END) AS accepted,
          SUM(CASE WHEN a.state IN ('planned', 'sending', 'unknown', 'accepted') THEN 1 ELSE 0 END) AS live
        FROM attempts a WHERE a.order_id {ANY:ids} GROUP BY a.order_id) AS w ON w.order_id = o.id
    WHERE o.id {ANY:ids}
    GROUP BY o.id, o.user_id, o.state, o.charge, o.refunded, o.currency) AS told) AS judged
WHERE bad_paid + bad_hold + bad_accepted + bad_failed + bad_captured + bad_refunds + bad_refunded + bad_cost + bad_currency
  + bad_kind > 0
ORDER BY id

-- name: verify_children
-- What a panel is said to have made for an order that it does not have, or that is an order itself.
SELECT c.order_id, c.provider, c.upstream_order, t.order_id AS taken_by
FROM children c LEFT JOIN attempts t ON t.provider = c.provider AND t.upstream_order = c.upstream_order
  LEFT JOIN attempts a ON a.order_id = c.order_id AND a.provider = c.provider AND a.state = 'accepted'
WHERE c.order_id {ANY:ids} AND (t.id IS NOT NULL OR a.id IS NULL)
ORDER BY c.id

-- name: verify_misfits
-- The transfers of one order, to name the one that does not fit.
SELECT id, tx_key, kind, amount, currency FROM transfers WHERE order_id = :order_id ORDER BY id
