-- Statements of children: the orders a panel made by itself for one of ours. Under the lock of that order, but for claims.

-- name: child_insert
-- An id that another order has, or is, is not taken.
INSERT INTO children(order_id, provider, upstream_order, created_at, due_at)
SELECT CAST(:order_id AS BIGINT), CAST(:provider AS TEXT), CAST(:upstream_order AS TEXT), CAST(:now AS BIGINT), CAST(:now AS BIGINT)
WHERE NOT EXISTS (SELECT 1 FROM attempts a WHERE a.provider = CAST(:provider AS TEXT) AND a.upstream_order = CAST(:upstream_order AS TEXT))
ON CONFLICT(provider, upstream_order) DO NOTHING RETURNING id

-- name: children_of_order
SELECT upstream_order, status, charge, remains, due_at FROM children WHERE order_id = :order_id AND provider = :provider ORDER BY id

-- name: child_holder
-- Which order of ours a panel made this one for.
SELECT order_id FROM children WHERE provider = :provider AND upstream_order = :upstream_order

-- name: child_read
SELECT status, charge, remains, created_at, ended_at FROM children WHERE id = :id

-- name: children_claim
-- As polls are claimed: the condition stands on the claimed row itself.
UPDATE children SET lease_owner = :owner, lease_until = :lease_until WHERE id IN (
  SELECT id FROM children WHERE provider = :provider AND due_at <= :now AND lease_until < :now
  ORDER BY due_at, id LIMIT :limit {FOR_UPDATE} {SKIP_LOCKED})
  AND due_at <= :now AND lease_until < :now
RETURNING id, order_id, upstream_order, due_at, misses, silent_since

-- name: child_told
UPDATE children SET status = :status, charge = :charge, remains = :remains, ended_at = :ended_at, seen_at = :now, due_at = :due_at, lease_until = 0,
       misses = 0, silent_since = NULL
WHERE id = :id

-- name: child_missed
UPDATE children SET due_at = :due_at, lease_until = 0, misses = :misses, silent_since = :silent_since WHERE id = :id

-- name: child_hand_back
UPDATE children SET lease_until = 0 WHERE id = :id AND lease_owner = :owner

-- name: children_leave
-- As polls_leave.
UPDATE children SET lease_until = 0 WHERE id IN (
  SELECT id FROM children WHERE lease_owner = :owner AND lease_until > 0 ORDER BY id {FOR_UPDATE} {SKIP_LOCKED})

-- name: children_recall
-- After the clock was set back, as polls_recall.
UPDATE children SET
  due_at = CASE WHEN ended_at IS NULL AND due_at > CAST(:due_most AS BIGINT) THEN CAST(:now AS BIGINT) ELSE due_at END,
  lease_until = CASE WHEN lease_until > CAST(:lease_most AS BIGINT) THEN 0 ELSE lease_until END
WHERE due_at IS NOT NULL
  AND (lease_until > CAST(:lease_most AS BIGINT) OR (ended_at IS NULL AND due_at > CAST(:due_most AS BIGINT)))
