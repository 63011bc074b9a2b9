-- Events: the audit trail and the outbox are one table; gateway/store/outbox.py says how they are told.

-- name: event_record
INSERT INTO events(kind, actor, user_id, order_id, before, after, reason, created_at, published_at)
VALUES(:kind, :actor, :user_id, :order_id, :before, :after, :reason, :now,
       (SELECT CASE WHEN wanted = 1 THEN NULL ELSE 0 END FROM publishing));

-- name: event_told
-- Whether this very command told of something, in a run whose commit was unclear.
SELECT id FROM events WHERE order_id = :order_id AND kind = :kind AND actor = :actor AND reason = :reason AND created_at = :now;

-- name: publishing_wanted
SELECT wanted FROM publishing;

-- name: publishing_want
UPDATE publishing SET wanted = :wanted WHERE wanted <> :wanted;

-- name: events_claim
-- Events that are due, leased to the asker. One whose order has an earlier event to be told waits for that, whoever has it: that is
-- what keeps the order of an order's events with any number of publishers. The conditions stand on the claimed row itself again, for
-- under SKIP LOCKED somebody else may have taken it meanwhile.
UPDATE events SET due_at = :lease_until WHERE id IN (
  SELECT e.id FROM events e
  WHERE e.published_at IS NULL AND e.dead_at IS NULL AND e.due_at <= :now
    AND NOT EXISTS (SELECT 1 FROM events b WHERE b.order_id = e.order_id AND b.id < e.id
                    AND b.published_at IS NULL AND b.dead_at IS NULL)
  ORDER BY e.due_at, e.id LIMIT :limit {FOR_UPDATE} {SKIP_LOCKED})
  AND published_at IS NULL AND dead_at IS NULL AND due_at <= :now
RETURNING id, kind, actor, user_id, order_id, before, after, reason, created_at, tries, first_try_at;

-- name: events_published
UPDATE events SET published_at = :now WHERE id {ANY:ids} AND published_at IS NULL;

-- name: event_failed
UPDATE events SET tries = :tries, first_try_at = :first_try_at, due_at = :due_at, dead_at = :dead_at, problem = :problem
WHERE id = :id AND published_at IS NULL AND dead_at IS NULL;

-- name: events_dead
SELECT id, kind, order_id, created_at, tries, dead_at, problem FROM events WHERE dead_at IS NOT NULL ORDER BY id LIMIT :limit;

-- name: events_retry
-- Put back what was given up: these, or all.
UPDATE events SET dead_at = NULL, tries = 0, first_try_at = NULL, due_at = 0
WHERE dead_at IS NOT NULL AND (CAST(:every AS BIGINT) = 1 OR id {ANY:ids}) RETURNING id;

-- name: events_waiting
-- How many wait, since when, and how many were given up.
SELECT
  (SELECT COUNT(*) FROM events WHERE published_at IS NULL AND dead_at IS NULL) AS waiting,
  (SELECT COUNT(*) FROM events WHERE dead_at IS NOT NULL) AS dead;
