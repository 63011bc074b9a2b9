-- Statements of cancels that a panel has to be told of.

-- name: cancel_owe
INSERT INTO cancels(order_id, provider, upstream_order, given_up, due_at, created_at)
VALUES(:order_id, :provider, :upstream_order, :given_up, :now, :now)
ON CONFLICT(order_id) DO NOTHING RETURNING order_id

-- name: cancels_due
SELECT order_id FROM cancels WHERE provider = :provider AND due_at <= :now ORDER BY due_at, order_id LIMIT :limit

-- name: cancel_of
SELECT order_id, provider, upstream_order, given_up, sends, teller, due_at, answer, created_at FROM cancels WHERE order_id = :order_id

-- name: cancel_take
-- The compare-and-set before the first byte. It is counted here, so whoever dies after it is one that may have told.
UPDATE cancels SET sends = sends + 1, teller = :mark, sent_at = :now,
       due_at = CASE WHEN sends = 0 THEN CAST(:again_at AS BIGINT) END
WHERE order_id = :order_id AND due_at <= :now AND sends < 2 RETURNING upstream_order, sends

-- name: cancel_unsent
-- Not one byte left: as if it had not been taken.
UPDATE cancels SET sends = sends - 1, teller = NULL, due_at = :due_at
WHERE order_id = :order_id AND teller = :mark AND answer IS NULL RETURNING order_id

-- name: cancel_answered
UPDATE cancels SET answer = :answer, answered_at = :now, due_at = NULL
WHERE order_id = :order_id AND answer IS NULL RETURNING order_id

-- name: cancels_recall
-- After the clock was set back: as polls_recall.
UPDATE cancels SET due_at = CAST(:now AS BIGINT) WHERE due_at > CAST(:due_most AS BIGINT)
