-- Statements of attempts: one transmission of an order to one provider, at most.

-- name: attempt_insert
INSERT INTO attempts(order_id, n, provider, provider_service, cost, currency, state, owner, not_before, waits_for, created_at)
VALUES(:order_id, :n, :provider, :provider_service, :cost, :currency, 'planned', :owner, :not_before, :waits_for, :now) RETURNING id

-- name: attempt_arm
-- The compare-and-set before the first byte: no row means somebody else has it, and nothing is sent.
-- The mark of the transmission stands in the reason until there is one.
UPDATE attempts SET state = 'sending', sending_at = :now, reason = :mark
WHERE id = :id AND state = 'planned' AND owner = :owner RETURNING id

-- name: attempt_armed
-- Whether this very transmission armed it, in a run whose commit was unclear.
SELECT id FROM attempts WHERE id = :id AND state = 'sending' AND owner = :owner AND reason = :mark

-- name: attempts_of_order
SELECT id, order_id, n, provider, provider_service, cost, currency, state, upstream_order, reason, owner, created_at, sending_at,
       resolved_at, not_before
FROM attempts WHERE order_id = :order_id ORDER BY n

-- name: attempt_holder
-- Which order has this upstream order already.
SELECT attempts.order_id, attempts.provider_service, attempts.sending_at, orders.fields
FROM attempts JOIN orders ON orders.id = attempts.order_id
WHERE attempts.provider = :provider AND attempts.upstream_order = :upstream_order

-- name: attempt_resolve
UPDATE attempts SET state = :state, upstream_order = :upstream_order, reason = :reason, resolved_at = :now,
  evidence = COALESCE(:evidence, evidence)
WHERE id = :id AND state = :state_before RETURNING id

-- name: attempts_planned_of
-- What a process has stored and not sent; its own after a start, a dead one's after a take-over. What waits for its link is not among
-- it before its time, or before the order that has the link has ended; no time is later than the latest there can be.
SELECT id, order_id FROM attempts WHERE state = 'planned' AND owner = :owner
  AND (not_before IS NULL OR not_before <= CAST(:now AS BIGINT) OR not_before > CAST(:latest AS BIGINT)
       OR NOT EXISTS (SELECT 1 FROM orders WHERE orders.id = attempts.waits_for AND orders.state = 'active') AND waits_for IS NOT NULL)
ORDER BY id LIMIT :limit

-- name: attempts_take_over
-- Planned attempts of owners that are dead become ours: certain, because they were never armed.
UPDATE attempts SET owner = :owner WHERE id IN (
  SELECT id FROM attempts WHERE state = 'planned' AND owner <> :owner
    AND NOT EXISTS (SELECT 1 FROM owners WHERE owners.owner = attempts.owner AND owners.heartbeat_at BETWEEN :alive_since AND :alive_until)
  ORDER BY id LIMIT :limit)
  AND state = 'planned' AND owner <> :owner
RETURNING id, order_id, not_before

-- name: attempts_stale
-- Armed and never decided: the owner is dead, or the upstream deadline has long passed whoever owns it.
SELECT id, order_id FROM attempts WHERE state = 'sending'
  AND (sending_at < :deadline
       OR NOT EXISTS (SELECT 1 FROM owners WHERE owners.owner = attempts.owner AND owners.heartbeat_at BETWEEN :alive_since AND :alive_until))
ORDER BY id LIMIT :limit

-- name: books_time
SELECT {NOW} AS now

-- name: owner_heard
SELECT heartbeat_at FROM owners WHERE owner = :owner

-- name: owner_beat
INSERT INTO owners(owner, started_at, heartbeat_at) VALUES(:owner, :now, :now)
ON CONFLICT(owner) DO UPDATE SET heartbeat_at = :now

-- name: owner_leave
DELETE FROM owners WHERE owner = :owner
