-- Statements of doubt: attempts nobody can tell the outcome of, what was found about them, and what follows for a provider.

-- name: doubts_open
-- Everything of one provider that may own an order found there: in doubt, or still on its way.
SELECT a.id, a.order_id, a.n, a.provider, a.provider_service, a.cost, a.currency, a.state, a.upstream_order, a.reason, a.evidence, a.owner,
       a.sending_at, a.resolved_at, o.charge, o.currency AS our_currency, o.quantity, o.type, o.state AS order_state, o.created_at,
       o.cancel_requested_at, d.since, d.aged_ms, d.quarantined, d.lo, d.hi, d.looked_at, d.note, d.found, d.refunded_at,
       (SELECT MAX(e.id) FROM events e WHERE e.order_id = a.order_id AND e.kind = 'order.placing') AS armed
FROM attempts a JOIN orders o ON o.id = a.order_id LEFT JOIN doubts d ON d.attempt_id = a.id
WHERE a.state IN ('sending', 'unknown') AND a.provider = :provider
ORDER BY a.id LIMIT :limit

-- name: doubt_providers
SELECT DISTINCT provider FROM attempts WHERE state = 'unknown' ORDER BY provider

-- name: doubts_all
-- The operator's queue: unknown attempts of all providers, or the one of an order, the longest in doubt first.
SELECT a.id, a.order_id, a.n, a.provider, a.provider_service, a.cost, a.currency, a.state, a.upstream_order, a.reason, a.evidence, a.owner,
       a.sending_at, a.resolved_at, o.charge, o.currency AS our_currency, o.quantity, o.type, o.state AS order_state, o.created_at,
       o.cancel_requested_at, d.since, d.aged_ms, d.quarantined, d.lo, d.hi, d.looked_at, d.note, d.found, d.refunded_at,
       (SELECT MAX(e.id) FROM events e WHERE e.order_id = a.order_id AND e.kind = 'order.placing') AS armed
FROM attempts a JOIN orders o ON o.id = a.order_id LEFT JOIN doubts d ON d.attempt_id = a.id
WHERE a.state = 'unknown' AND (CAST(:order_id AS BIGINT) IS NULL OR a.order_id = CAST(:order_id AS BIGINT))
ORDER BY a.sending_at, a.id LIMIT :limit

-- name: doubt_note
-- From now on the time in doubt counts, by the database's clock.
INSERT INTO doubts(attempt_id, provider, since) VALUES(:attempt, :provider, {NOW}) ON CONFLICT(attempt_id) DO NOTHING

-- name: doubts_aged
-- So much more time has passed for whoever watches them, by a clock that never jumps.
UPDATE doubts SET aged_ms = aged_ms + CAST(:ms AS BIGINT) WHERE attempt_id {ANY:attempts}

-- name: doubt_over_quarantine
-- Whether the quarantine is over by the database's clock; it has to be over by the watcher's own as well.
SELECT attempt_id FROM doubts WHERE attempt_id = :attempt AND quarantined IS NULL AND {NOW} - since >= CAST(:ms AS BIGINT)

-- name: doubt_quarantine_event
-- The event's own number divides orders that were armed before it from those armed after it.
INSERT INTO events(kind, actor, order_id, reason, created_at)
VALUES('attempt.quarantined', :actor, :order_id, :reason, :now) RETURNING id

-- name: doubt_quarantined
UPDATE doubts SET quarantined = :event WHERE attempt_id = :attempt AND quarantined IS NULL

-- name: doubt_look
-- What the last look said. A bound that was found stays: a later one would only be wider.
UPDATE doubts SET lo = COALESCE(lo, CAST(:lo AS BIGINT)), hi = COALESCE(hi, CAST(:hi AS BIGINT)), looked_at = :now, note = :note,
       found = :found
WHERE attempt_id = :attempt

-- name: own_orders
-- Orders a provider has of ours, the latest first, with the events of their arming and their acceptance. Those that were once in
-- doubt are left out: their ids were not read from the panel's own answer, and bounds must not rest on them. So are subscriptions,
-- which panels may number in a row of their own.
SELECT a.upstream_order,
       (SELECT MAX(e.id) FROM events e WHERE e.order_id = a.order_id AND e.kind = 'order.placing') AS armed,
       (SELECT MIN(e.id) FROM events e WHERE e.order_id = a.order_id AND e.kind = 'order.active') AS told
FROM attempts a JOIN orders o ON o.id = a.order_id
WHERE a.provider = :provider AND a.state = 'accepted' AND a.id < CAST(:below AS BIGINT)
  AND NOT EXISTS (SELECT 1 FROM doubts d WHERE d.attempt_id = a.id)
  AND NOT (o.type {ANY_TEXT:subscribed})
ORDER BY a.id DESC LIMIT :limit

-- name: owned_upstream_orders
SELECT upstream_order FROM attempts WHERE provider = :provider AND upstream_order {ANY_TEXT:ids}
UNION SELECT upstream_order FROM children WHERE provider = :provider AND upstream_order {ANY_TEXT:ids}

-- name: orders_making
-- Whether a provider may have made orders by itself, for subscriptions of ours: known ones, those of one that is watched, and those
-- of one that was given up and is watched no more.
SELECT 1 AS making
WHERE EXISTS (SELECT 1 FROM children c WHERE c.provider = :provider)
  OR EXISTS (SELECT 1 FROM polls p JOIN orders o ON o.id = p.order_id WHERE p.provider = :provider AND o.type {ANY_TEXT:subscribed})
  OR EXISTS (SELECT 1 FROM doubts d JOIN attempts a ON a.id = d.attempt_id JOIN orders o ON o.id = a.order_id
             WHERE d.provider = :provider AND o.type {ANY_TEXT:subscribed})

-- name: foreign_keep
INSERT INTO foreign_ids(provider, upstream_order, found_at, said) VALUES(:provider, :upstream_order, :now, :said)
ON CONFLICT(provider, upstream_order) DO NOTHING RETURNING upstream_order

-- name: foreign_list
-- Strange ids that are nobody's still, the latest first.
SELECT f.provider, f.upstream_order, f.found_at, f.said FROM foreign_ids f
WHERE (CAST(:provider AS TEXT) IS NULL OR f.provider = CAST(:provider AS TEXT))
  AND NOT EXISTS (SELECT 1 FROM attempts a WHERE a.provider = f.provider AND a.upstream_order = f.upstream_order)
  AND NOT EXISTS (SELECT 1 FROM children c WHERE c.provider = f.provider AND c.upstream_order = f.upstream_order)
ORDER BY f.found_at DESC, f.upstream_order LIMIT :limit

-- name: doubts_to_give_back
-- Orders whose users have waited longer than a provider's time allows, by both clocks, the longest first.
SELECT a.id, a.order_id FROM attempts a JOIN orders o ON o.id = a.order_id JOIN doubts d ON d.attempt_id = a.id
WHERE a.state = 'unknown' AND a.provider = :provider AND o.state = 'unknown'
  AND d.aged_ms >= CAST(:ms AS BIGINT) AND {NOW} - d.since >= CAST(:ms AS BIGINT)
ORDER BY a.id LIMIT :limit

-- name: given_back_lately
-- What was refunded from our own pocket without an operator, for doubt at one provider, in the last so many ms.
SELECT CAST(COALESCE(SUM(o.charge), 0) AS BIGINT) AS charge FROM doubts d
JOIN attempts a ON a.id = d.attempt_id JOIN orders o ON o.id = a.order_id
WHERE d.provider = :provider AND d.refunded_by_rule = 1 AND d.refunded_at > {NOW} - CAST(:ms AS BIGINT)

-- name: doubt_refunded
UPDATE doubts SET refunded_at = {NOW}, refunded_by_rule = :by_rule WHERE attempt_id = :attempt AND refunded_at IS NULL

-- name: doubt_figures
-- Open doubt of each provider: since the brake was last released by hand, and in all. Orders whose users were refunded count no more.
SELECT a.provider, COUNT(*) AS orders, CAST(SUM(o.charge) AS BIGINT) AS charge, MIN(a.sending_at) AS oldest,
       CAST(SUM(CASE WHEN a.resolved_at > COALESCE(b.released_at, 0) THEN 1 ELSE 0 END) AS BIGINT) AS counted,
       CAST(SUM(CASE WHEN a.resolved_at > COALESCE(b.released_at, 0) THEN o.charge ELSE 0 END) AS BIGINT) AS counted_charge
FROM attempts a JOIN orders o ON o.id = a.order_id LEFT JOIN brakes b ON b.provider = a.provider
WHERE a.state = 'unknown' AND o.state = 'unknown'
GROUP BY a.provider

-- name: doubts_since
-- How many attempts at a provider came into doubt within so many ms of its latest one, and are in doubt still.
SELECT COUNT(*) AS orders FROM attempts a JOIN orders o ON o.id = a.order_id LEFT JOIN brakes b ON b.provider = a.provider
WHERE a.state = 'unknown' AND o.state = 'unknown' AND a.provider = :provider AND a.resolved_at > COALESCE(b.released_at, 0)
  AND a.resolved_at > (SELECT MAX(l.resolved_at) FROM attempts l WHERE l.state = 'unknown' AND l.provider = :provider)
      - CAST(:ms AS BIGINT)

-- name: brakes_on
SELECT provider, reason, since FROM brakes WHERE since IS NOT NULL ORDER BY provider

-- name: brake_set
INSERT INTO brakes(provider, reason, since) VALUES(:provider, :reason, :now)
ON CONFLICT(provider) DO UPDATE SET reason = :reason, since = :now WHERE brakes.since IS NULL
RETURNING provider

-- name: brake_end
UPDATE brakes SET since = NULL, reason = NULL WHERE provider = :provider AND since IS NOT NULL RETURNING provider

-- name: brake_release
-- By hand: what is in doubt by now does not set it again.
UPDATE brakes SET since = NULL, reason = NULL, released_at = :now WHERE provider = :provider AND since IS NOT NULL RETURNING provider

-- name: brake_released
-- Whether this very command released it, in a run whose commit was unclear.
SELECT provider FROM brakes WHERE provider = :provider AND since IS NULL AND released_at = :now

-- name: job_claim
-- One speaker a provider and kind of job, until the lease ends by the database's clock or is given back.
INSERT INTO provider_jobs(provider, kind, lease_owner, lease_until) VALUES(:provider, :kind, :owner, {NOW} + CAST(:ms AS BIGINT))
ON CONFLICT(provider, kind) DO UPDATE SET lease_owner = :owner, lease_until = {NOW} + CAST(:ms AS BIGINT)
WHERE provider_jobs.lease_owner = :owner OR provider_jobs.lease_until < {NOW}
RETURNING provider

-- name: job_return
UPDATE provider_jobs SET lease_until = 0 WHERE provider = :provider AND kind = :kind AND lease_owner = :owner

-- name: jobs_leave
-- The speaker ends: another may speak at once.
UPDATE provider_jobs SET lease_until = 0 WHERE lease_owner = :owner

-- name: reading_keep
-- Our balance at a provider, when it differs from the last one kept.
INSERT INTO balance_readings(provider, balance, currency, read_at)
SELECT CAST(:provider AS TEXT), CAST(:balance AS TEXT), CAST(:currency AS TEXT), CAST(:now AS BIGINT)
WHERE NOT EXISTS (
  SELECT 1 FROM balance_readings r WHERE r.provider = CAST(:provider AS TEXT) AND r.balance = CAST(:balance AS TEXT)
    AND r.id = (SELECT MAX(l.id) FROM balance_readings l WHERE l.provider = CAST(:provider AS TEXT)))

-- name: readings_around
-- The last reading before a moment, and the latest of all.
SELECT balance, currency, read_at FROM balance_readings
WHERE id IN ((SELECT MAX(id) FROM balance_readings WHERE provider = :provider AND read_at < CAST(:before AS BIGINT)),
             (SELECT MAX(id) FROM balance_readings WHERE provider = :provider))
ORDER BY id

-- name: costs_between
-- What orders that a provider accepted between two moments cost us, each as it was planned; at most so many. A subscription costs
-- nothing before its posts, and is not among them.
SELECT a.cost FROM attempts a JOIN orders o ON o.id = a.order_id
WHERE a.provider = :provider AND a.state = 'accepted' AND a.currency = :currency
  AND a.sending_at >= CAST(:since AS BIGINT) AND a.resolved_at <= CAST(:until AS BIGINT) AND NOT (o.type {ANY_TEXT:subscribed})
LIMIT :limit
