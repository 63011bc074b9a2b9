-- Ids of imported services and kept lists.

-- name: service_ids_all
SELECT id, provider, provider_service FROM service_ids

-- name: service_id_allot
-- A service that another process gave an id meanwhile keeps that one.
INSERT INTO service_ids(id, provider, provider_service, allotted_at) VALUES(:id, :provider, :provider_service, :now)
ON CONFLICT DO NOTHING RETURNING id

-- name: service_id_of
SELECT id FROM service_ids WHERE provider = :provider AND provider_service = :provider_service

-- name: list_keep
-- The newest wins, whoever fetched it.
INSERT INTO kept_lists(provider, fetched_at, body) VALUES(:provider, :fetched_at, :body)
ON CONFLICT(provider) DO UPDATE SET fetched_at = excluded.fetched_at, body = excluded.body
WHERE excluded.fetched_at > kept_lists.fetched_at

-- name: lists_kept
SELECT provider, body FROM kept_lists
