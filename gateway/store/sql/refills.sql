-- Statements of refills.

-- name: refill_insert
INSERT INTO refills(id, order_id, user_id, provider, upstream_order, state, shown, due_at, created_at, updated_at)
VALUES(:id, :order_id, :user_id, :provider, :upstream_order, 'asking', 'Pending', :due_at, :now, :now)

-- name: refill_newest
SELECT id, state, shown, created_at FROM refills WHERE order_id = :order_id ORDER BY created_at DESC, id DESC LIMIT 1

-- name: refill_settle
UPDATE refills SET state = :state, shown = :shown, upstream_refill = COALESCE(:upstream_refill, upstream_refill), due_at = :due_at,
       lease_until = 0, updated_at = :now
WHERE id = :id AND state IN ('asking','unknown','open') RETURNING id

-- name: refill_lock
SELECT order_id, user_id, provider, state, shown FROM refills WHERE id = :id {FOR_UPDATE}

-- name: refills_status
-- Of the caller's own refills only.
SELECT id, shown, state FROM refills WHERE id {ANY:ids} AND +user_id = :user_id

-- name: refill_newest_of_user
SELECT id, shown, state FROM refills WHERE user_id = :user_id AND order_id = :order_id ORDER BY created_at DESC, id DESC LIMIT 1

-- name: refills_claim
UPDATE refills SET lease_owner = :owner, lease_until = :lease_until WHERE id IN (
  SELECT id FROM refills WHERE provider = :provider AND state = 'open' AND upstream_refill IS NOT NULL
    AND due_at <= :now AND lease_until < :now
  ORDER BY due_at, id LIMIT :limit {FOR_UPDATE} {SKIP_LOCKED})
  AND state = 'open' AND due_at <= :now AND lease_until < :now
RETURNING id, upstream_refill, created_at

-- name: refills_leave
-- As polls_leave; what has ended is leased to nobody.
UPDATE refills SET lease_until = 0 WHERE id IN (
  SELECT id FROM refills WHERE state = 'open' AND lease_owner = :owner AND lease_until > 0 ORDER BY id {FOR_UPDATE} {SKIP_LOCKED})

-- name: refills_recall
-- As polls_recall.
UPDATE refills SET due_at = CAST(:now AS BIGINT), lease_until = 0
WHERE state = 'open' AND (lease_until > CAST(:lease_most AS BIGINT) OR due_at > CAST(:due_most AS BIGINT))

-- name: refills_doubt
-- Asked and never decided, because the process died in the middle: whether the panel took it is not known.
UPDATE refills SET state = 'unknown', updated_at = :now WHERE state = 'asking' AND created_at < :before
RETURNING id, order_id, user_id, shown
