-- Statements of polling: what is asked again, when, and by whom. A lease only saves work; correctness never depends on it.

-- name: poll_insert
INSERT INTO polls(order_id, provider, upstream_order, link, due_at, accepted_at)
VALUES(:order_id, :provider, :upstream_order, :link, :due_at, :now)
ON CONFLICT(order_id) DO NOTHING

-- name: link_holder
-- The order of ours that a provider works on, with this link: the latest of the same service there, else of any.
SELECT p.order_id FROM polls p JOIN orders o ON o.id = p.order_id JOIN attempts a ON a.order_id = p.order_id AND a.state = 'accepted'
WHERE p.provider = :provider AND p.link = :link AND o.state = 'active' AND p.order_id <> :order_id
ORDER BY CASE WHEN a.provider_service = :provider_service THEN 0 ELSE 1 END, p.accepted_at DESC, p.order_id DESC LIMIT 1

-- name: polls_claim
-- Orders of one provider that are due, leased to the asker. The condition stands on the claimed row itself: on a joined table,
-- SKIP LOCKED hands out duplicates.
UPDATE polls SET lease_owner = :owner, lease_until = :lease_until WHERE order_id IN (
  SELECT order_id FROM polls WHERE provider = :provider AND due_at <= :now AND lease_until < :now
  ORDER BY due_at, order_id LIMIT :limit {FOR_UPDATE} {SKIP_LOCKED})
  AND due_at <= :now AND lease_until < :now
RETURNING order_id, upstream_order, due_at, accepted_at, terminal_at, misses, silent_since, unreadable_since, refund_named, refund_times

-- name: polls_recall
-- After the clock was set back: what is due or leased further ahead than anything may be was dated before that.
UPDATE polls SET
  due_at = CASE WHEN terminal_at IS NULL AND due_at > CAST(:due_most AS BIGINT) THEN CAST(:now AS BIGINT) ELSE due_at END,
  lease_until = CASE WHEN lease_until > CAST(:lease_most AS BIGINT) THEN 0 ELSE lease_until END
WHERE lease_until > CAST(:lease_most AS BIGINT) OR (terminal_at IS NULL AND due_at > CAST(:due_most AS BIGINT))

-- name: poll_schedule
UPDATE polls SET due_at = :due_at, lease_until = 0, misses = :misses, terminal_at = :terminal_at, silent_since = :silent_since,
       unreadable_since = :unreadable_since, refund_named = :refund_named, refund_times = :refund_times
WHERE order_id = :order_id

-- name: order_costs
-- What an order is booked to cost us in all, and in how many transfers; what went to losses is not among them.
SELECT COUNT(*) AS transfers, CAST(COALESCE(SUM(CASE WHEN d.code = :costs THEN t.amount ELSE -t.amount END), 0) AS BIGINT) AS amount
FROM transfers t JOIN accounts s ON s.id = t.source_id JOIN accounts d ON d.id = t.dest_id
WHERE t.order_id = :order_id AND t.kind = 'cost' AND (d.code = :costs OR s.code = :costs)

-- name: poll_hand_back
-- The asker could not ask: whoever can may do it at once.
UPDATE polls SET lease_until = 0 WHERE order_id = :order_id AND lease_owner = :owner

-- name: polls_leave
-- The asker ends: whoever is left may ask about what it had claimed at once.
UPDATE polls SET lease_until = 0 WHERE order_id IN (
  SELECT order_id FROM polls WHERE lease_owner = :owner AND lease_until > 0 ORDER BY order_id {FOR_UPDATE} {SKIP_LOCKED})

-- name: poll_soon
-- Something was asked of the panel about this order: look soon.
UPDATE polls SET due_at = :due_at WHERE order_id = :order_id AND due_at > :due_at

-- name: poll_drop
DELETE FROM polls WHERE order_id = :order_id

-- name: polls_lag
-- How long the order that has waited longest beyond its time has waited, by provider, and since when one has been without an answer.
SELECT provider, MIN(due_at) AS due_at, MIN(silent_since) AS silent_since, COUNT(*) AS orders FROM polls GROUP BY provider
