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
