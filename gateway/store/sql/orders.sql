-- Statements of the life of an order. Locks are taken in one order everywhere: the order row, then its user's accounts by id.

-- name: user_adds_lock
-- The account every hold of the user's takes from: who has it is the only one storing an order for this user.
SELECT id FROM accounts WHERE code = :code {FOR_UPDATE}

-- name: order_by_idem_key
-- The order an idempotency key already stands for.
SELECT id, fingerprint, state FROM orders WHERE user_id = :user_id AND idem_key = :idem_key

-- name: order_unheard
-- The newest identical order whose answer is known not to have reached its caller: the connection broke, or the process that should
-- have answered is dead. A failed order is not given again: nothing was charged for it. When this very add was run before, with a
-- commit that was unclear, what that run did is the answer: the order it gave again, or its own, and then none of these. The empty text keeps SQLite from walking
-- all orders of the user by the index of keys (measured: 130 µs an add at 400 orders of a user, and growing with them).
SELECT id, replays, replayed_for FROM orders
WHERE user_id = :user_id AND fingerprint = :fingerprint AND created_at >= :since AND id <> :own AND (idem_key || '') IS NULL
  AND (replayed_for = :own OR (answered_at IS NULL AND state <> 'failed'
       AND (unheard_at IS NOT NULL
            OR NOT EXISTS (SELECT 1 FROM owners WHERE owners.owner = orders.answerer AND owners.heartbeat_at BETWEEN :alive_since AND :alive_until))))
  AND NOT EXISTS (SELECT 1 FROM orders mine WHERE mine.id = :own)
ORDER BY CASE WHEN replayed_for = :own THEN 0 ELSE 1 END, created_at DESC, id DESC LIMIT 1

-- name: order_within_window
-- The newest identical order inside the user's own duplicate window.
SELECT id FROM orders
WHERE user_id = :user_id AND fingerprint = :fingerprint AND created_at >= :since AND id <> :own AND state <> 'failed'
ORDER BY created_at DESC, id DESC LIMIT 1

-- name: order_replay
-- The answer is being given again, by this process: whether it arrives is a new question. The count of replays lets one of two
-- processes have it, and the other go on.
UPDATE orders SET unheard_at = NULL, answerer = :answerer, replays = replays + 1, replayed_for = :own
WHERE id = :id AND replays = :replays RETURNING id

-- name: order_insert
-- Not beside an identical order that another process stored a moment ago and whose answer was not heard, as far as is known: nobody
-- can tell a caller who came again from one who wants two. The hold before it has waited for whoever stored one; one that is known
-- to be unheard by now came to be so since order_unheard looked, and is found when that looks again.
INSERT INTO orders(id, user_id, idem_key, fingerprint, service_id, type, fields, quantity, currency, rate, rule, charge,
                   state, shown, routes, can_refill, can_cancel, answerer, counted, created_at, updated_at)
SELECT CAST(:id AS BIGINT), CAST(:user_id AS BIGINT), CAST(:idem_key AS TEXT), CAST(:fingerprint AS TEXT), CAST(:service_id AS BIGINT),
       CAST(:type AS TEXT), CAST(:fields AS TEXT), CAST(:quantity AS BIGINT), CAST(:currency AS TEXT), CAST(:rate AS BIGINT),
       CAST(:rule AS TEXT), CAST(:charge AS BIGINT), CAST(:state AS TEXT), CAST(:shown AS TEXT), CAST(:routes AS TEXT),
       CAST(:can_refill AS BIGINT), CAST(:can_cancel AS BIGINT), CAST(:answerer AS TEXT), CAST(:counted AS BIGINT),
       CAST(:now AS BIGINT), CAST(:now AS BIGINT)
WHERE NOT EXISTS (
  SELECT 1 FROM orders rival WHERE rival.user_id = CAST(:user_id AS BIGINT) AND rival.fingerprint = CAST(:fingerprint AS TEXT)
    AND rival.created_at >= CAST(:rivals_since AS BIGINT) AND (rival.idem_key || '') IS NULL
    AND rival.answered_at IS NULL AND rival.state <> 'failed' AND rival.answerer <> CAST(:answerer AS TEXT))
RETURNING id

-- name: order_lock
-- The order row, locked: the first lock of every command that touches an order.
SELECT id, user_id, type, fields, service_id, quantity, currency, charge, refunded, state, shown, start_count, remains, review,
       routes, can_refill, can_cancel, cancel_requested_at, created_at
FROM orders WHERE id = :id {FOR_UPDATE}

-- name: order_update
-- What a step made of an order; the state it was read in stands in the WHERE so that nothing moves it twice.
UPDATE orders SET state = :state, shown = :shown, refunded = :refunded, start_count = :start_count, remains = :remains,
       review = :review, failure = COALESCE(:failure, failure), updated_at = :now
WHERE id = :id AND state = :state_before RETURNING id

-- name: order_answered
-- The caller has the answer: a later identical add is a new order. Nothing else hangs on it.
UPDATE orders SET answered_at = :now WHERE id = :id AND user_id = :user_id

-- name: order_unheard_mark
-- The caller was gone before the answer was out: an identical add within a day is the same wish again.
UPDATE orders SET unheard_at = :now WHERE id = :id AND user_id = :user_id AND answered_at IS NULL

-- name: order_cancel_requested
UPDATE orders SET cancel_requested_at = :now, updated_at = :now WHERE id = :id

-- name: orders_status
-- What a status call shows, of the caller's own orders only. The plus keeps SQLite from walking all orders of the user by an
-- index on user_id: the ids are the way in (measured: ten times the CPU at 10 000 orders, and growing).
SELECT id, charge - refunded AS charge, start_count, remains, quantity, state, shown, currency FROM orders
WHERE id {ANY:ids} AND +user_id = :user_id

-- name: orders_count_by_state
SELECT state, COUNT(*) AS orders FROM orders GROUP BY state

-- name: orders_in_doubt
-- Unknown orders: how many and how much money hangs on them.
SELECT currency, COUNT(*) AS orders, CAST(SUM(charge) AS BIGINT) AS charge FROM orders WHERE state = 'unknown' GROUP BY currency
