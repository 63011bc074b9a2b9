-- The books: who has a key and a balance with us, and every movement of value.
-- Why: money is double entry from the first day. A balance is a cache of its transfers, kept by a trigger in the same statement that
-- writes the transfer, and checked by `gateway ledger verify`. Numbers are BIGINT, times milliseconds since the epoch.

CREATE TABLE users(
  id {ID},
  name TEXT NOT NULL UNIQUE CHECK(name <> ''),
  state TEXT NOT NULL DEFAULT 'active' CHECK(state IN ('active','suspended')),
  currency TEXT NOT NULL,
  tier TEXT NOT NULL DEFAULT '',
  dialect TEXT NOT NULL DEFAULT 'standard' CHECK(dialect IN ('standard','legacy')),
  order_id TEXT NOT NULL DEFAULT 'string' CHECK(order_id IN ('string','number')),
  escaped_newlines BIGINT NOT NULL DEFAULT 0 CHECK(escaped_newlines IN (0, 1)),
  duplicate_window BIGINT NOT NULL DEFAULT 0 CHECK(duplicate_window >= 0),
  answer TEXT NOT NULL DEFAULT 'wait' CHECK(answer IN ('wait','immediate')),
  -- Ids of the accounts user:{id}:avail and user:{id}:held, kept here so that a key is one look-up. Written with the user, then never.
  avail_account BIGINT,
  held_account BIGINT,
  created_at BIGINT NOT NULL);

CREATE TABLE api_keys(
  id {ID},
  user_id BIGINT NOT NULL REFERENCES users(id),
  -- A keyed hash; the key itself is never stored.
  hash TEXT NOT NULL UNIQUE,
  -- The key's first characters, to tell keys apart.
  prefix TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  -- Set when a rotation asked for an overlap: dead from then on.
  expires_at BIGINT,
  revoked_at BIGINT);
CREATE INDEX api_keys_by_user ON api_keys(user_id);

CREATE TABLE accounts(
  id {ID},
  code TEXT NOT NULL UNIQUE,
  user_id BIGINT REFERENCES users(id),
  currency TEXT NOT NULL,
  -- 1 for users' accounts, whose balance is kept here; house accounts are sums, so that none of them is a hot row.
  enforced BIGINT NOT NULL CHECK(enforced IN (0, 1)),
  balance BIGINT NOT NULL DEFAULT 0,
  UNIQUE(id, currency),
  CHECK((enforced = 1) = (user_id IS NOT NULL)),
  -- The last line: whatever else fails, nobody spends what is not there.
  CHECK(enforced = 0 OR balance >= 0),
  CHECK(enforced = 1 OR balance = 0));
CREATE INDEX accounts_by_user ON accounts(user_id) WHERE user_id IS NOT NULL;

CREATE TABLE transfers(
  id {ID},
  -- What makes a moment happen once (gateway/core/ledger.py lists the keys).
  tx_key TEXT NOT NULL UNIQUE,
  kind TEXT NOT NULL CHECK(kind IN ('deposit','adjust','hold','capture','void','refund','cost')),
  order_id BIGINT,
  source_id BIGINT NOT NULL,
  dest_id BIGINT NOT NULL,
  currency TEXT NOT NULL,
  amount BIGINT NOT NULL CHECK(amount > 0),
  created_at BIGINT NOT NULL,
  CHECK(source_id <> dest_id),
  FOREIGN KEY(source_id, currency) REFERENCES accounts(id, currency),
  FOREIGN KEY(dest_id, currency) REFERENCES accounts(id, currency));
CREATE INDEX transfers_by_order ON transfers(order_id) WHERE order_id IS NOT NULL;
CREATE INDEX transfers_by_source ON transfers(source_id, id);
CREATE INDEX transfers_by_dest ON transfers(dest_id, id);

-- What happened, by whom and why: the audit trail, and news still to be told (published_at is null).
CREATE TABLE events(
  id {ID},
  kind TEXT NOT NULL,
  actor TEXT NOT NULL,
  user_id BIGINT,
  order_id BIGINT,
  before TEXT,
  after TEXT,
  reason TEXT,
  created_at BIGINT NOT NULL,
  published_at BIGINT);
CREATE INDEX events_to_publish ON events(id) WHERE published_at IS NULL;
CREATE INDEX events_by_order ON events(order_id, id) WHERE order_id IS NOT NULL;
CREATE INDEX events_by_user ON events(user_id, id) WHERE user_id IS NOT NULL;

-- Living processes; a planned attempt of one whose heartbeat stopped is taken over.
CREATE TABLE owners(
  owner TEXT PRIMARY KEY,
  started_at BIGINT NOT NULL,
  heartbeat_at BIGINT NOT NULL);

-- Numbers that are allotted once and never again (order ids in blocks, service ids).
CREATE TABLE counters(
  name TEXT PRIMARY KEY,
  value BIGINT NOT NULL);
