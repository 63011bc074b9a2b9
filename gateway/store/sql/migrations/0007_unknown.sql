-- Doubt: what is known of attempts whose outcome nobody can tell, and what follows from it for a provider.
-- Why: a probe that is cut off by a restart must not begin from a shorter wait, two processes must not speak to one panel at once,
-- and a brake that one replica set has to hold all of them.

CREATE TABLE doubts(
  attempt_id BIGINT PRIMARY KEY REFERENCES attempts(id),
  provider TEXT NOT NULL,
  since BIGINT NOT NULL,
  -- Time that passed under somebody's eyes, by clocks that do not jump; the database's clock may have.
  aged_ms BIGINT NOT NULL DEFAULT 0,
  -- The event that ended its quarantine: an order armed after it has an id above this one's, if it has one.
  quarantined BIGINT,
  lo BIGINT,
  hi BIGINT,
  looked_at BIGINT,
  note TEXT,
  found TEXT,
  refunded_at BIGINT,
  refunded_by_rule BIGINT NOT NULL DEFAULT 0 CHECK(refunded_by_rule IN (0, 1)));
CREATE INDEX doubts_refunded ON doubts(provider, refunded_at) WHERE refunded_at IS NOT NULL;

-- Orders that answer under our key and are nobody's: never taken as ours.
CREATE TABLE foreign_ids(
  provider TEXT NOT NULL,
  upstream_order TEXT NOT NULL,
  found_at BIGINT NOT NULL,
  said TEXT NOT NULL,
  PRIMARY KEY(provider, upstream_order));

-- Providers that get no new orders because of doubt; released_at is when a person last said that it goes on.
CREATE TABLE brakes(
  provider TEXT PRIMARY KEY,
  reason TEXT,
  since BIGINT,
  released_at BIGINT);

-- One speaker a provider and kind of job.
CREATE TABLE provider_jobs(
  provider TEXT NOT NULL,
  kind TEXT NOT NULL,
  lease_owner TEXT NOT NULL,
  lease_until BIGINT NOT NULL,
  PRIMARY KEY(provider, kind));

-- Our balances at providers over time, each kept when it changed.
CREATE TABLE balance_readings(
  id {ID},
  provider TEXT NOT NULL,
  balance TEXT NOT NULL,
  currency TEXT NOT NULL,
  read_at BIGINT NOT NULL);
CREATE INDEX balance_readings_by_provider ON balance_readings(provider, id);
