-- Permanent ids of imported services, and the last good list of each provider.
-- Why: an id of ours is kept by panels below us for years, so it is allotted once and never used again, also when the
-- service is gone. The kept list lets a process start and sell before any provider has answered, without Redis too.

CREATE TABLE service_ids(
  id BIGINT PRIMARY KEY CHECK(id > 0 AND id < 2147483648),
  provider TEXT NOT NULL,
  provider_service TEXT NOT NULL,
  allotted_at BIGINT NOT NULL,
  UNIQUE(provider, provider_service));

CREATE TABLE kept_lists(
  provider TEXT PRIMARY KEY,
  fetched_at BIGINT NOT NULL,
  body TEXT NOT NULL);
