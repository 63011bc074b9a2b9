-- name: safety
-- With the identity of the database as it is now beside the one that is kept.
SELECT identity, {IDENTITY} AS here, since, ended_at, reason, known_until, skipped FROM safe_mode

-- name: safety_identify
UPDATE safe_mode SET identity = :identity

-- name: safety_begin
UPDATE safe_mode SET since = CAST(:now AS BIGINT), reason = :reason, ended_at = NULL,
  known_until = CAST(:known_until AS BIGINT), skipped = 0
WHERE since IS NULL OR ended_at IS NOT NULL RETURNING since

-- name: safety_end
UPDATE safe_mode SET ended_at = CAST(:now AS BIGINT) WHERE since IS NOT NULL AND ended_at IS NULL RETURNING one

-- name: safety_skipped
-- Only one process skips numbers, and once.
UPDATE safe_mode SET skipped = 1 WHERE since IS NOT NULL AND skipped = 0 RETURNING known_until

-- name: last_event_at
SELECT created_at FROM events ORDER BY id DESC LIMIT 1

-- name: orders_since
SELECT COUNT(*) AS orders FROM orders WHERE created_at > :since

-- name: counters_skip
UPDATE counters SET value = value + CAST(:count AS BIGINT)

-- name: attempts_skip
{SKIP_IDS:attempts}

-- name: events_skip
{SKIP_IDS:events}

-- name: transfers_skip
{SKIP_IDS:transfers}

-- name: users_skip
{SKIP_IDS:users}

-- name: attempts_planned_all
SELECT id, order_id FROM attempts WHERE state = 'planned' ORDER BY id LIMIT :limit

-- name: restored_figures
-- What hangs in the open in books that were put back.
SELECT state, COUNT(*) AS orders FROM orders WHERE state IN ('reserved', 'placing', 'unknown', 'active') GROUP BY state

-- name: newest_migration
SELECT MAX(number) AS newest FROM schema_migrations
