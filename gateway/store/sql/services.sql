-- Ids of imported services and kept lists.

-- name: service_ids_all
SELECT id, provider, provider_service FROM service_ids

-- name: service_id_allot
-- A service that has an id, or that another process gave one meanwhile, keeps it.
INSERT INTO service_ids(id, provider, provider_service, allotted_at) VALUES(:id, :provider, :provider_service, :now)
ON CONFLICT DO NOTHING

-- name: list_keep
-- The newest wins, whoever fetched it; but one from far in the future came from a wrong clock and would win for ever.
INSERT INTO kept_lists(provider, fetched_at, body) VALUES(:provider, :fetched_at, :body)
ON CONFLICT(provider) DO UPDATE SET fetched_at = excluded.fetched_at, body = excluded.body
WHERE excluded.fetched_at > kept_lists.fetched_at OR kept_lists.fetched_at > CAST(:ahead AS BIGINT)

-- name: lists_kept
SELECT provider, body FROM kept_lists

-- name: list_dated
-- When the list that is kept was fetched.
SELECT fetched_at FROM kept_lists WHERE provider = :provider

-- name: list_kept
SELECT provider, body FROM kept_lists WHERE provider = :provider

-- name: services_held
SELECT provider, service, reason, name, type, rate, now_name, now_type, now_rate, since FROM held_services ORDER BY provider, service

-- name: service_held
SELECT provider, service, reason, name, type, rate, now_name, now_type, now_rate, since FROM held_services
WHERE provider = :provider AND service = :service

-- name: service_hold
-- A row that stands as it is already is not written: then nothing is told of it twice.
INSERT INTO held_services(provider, service, reason, name, type, rate, now_name, now_type, now_rate, since)
VALUES(:provider, :service, :reason, :name, :type, :rate, :now_name, :now_type, :now_rate, :since)
ON CONFLICT(provider, service) DO UPDATE SET
  reason = excluded.reason, name = excluded.name, type = excluded.type, rate = excluded.rate, now_name = excluded.now_name,
  now_type = excluded.now_type, now_rate = excluded.now_rate, since = excluded.since
WHERE held_services.reason <> excluded.reason OR held_services.now_name <> excluded.now_name
   OR held_services.now_type <> excluded.now_type OR COALESCE(held_services.now_rate, '') <> COALESCE(excluded.now_rate, '')
RETURNING service

-- name: service_free
DELETE FROM held_services WHERE provider = :provider AND service = :service RETURNING service
