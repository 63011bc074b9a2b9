-- The life of orders: the order (money, user), its attempts (transmissions), what is asked again and when, refills.
-- Order ids are not counted up by the database: they are allotted in blocks with random gaps, so that a customer cannot read our
-- volume from them, and stay below 2^31 for panels that keep them in a signed 32-bit column.

CREATE TABLE orders(
  id BIGINT PRIMARY KEY CHECK(id > 0 AND id < 2147483648),
  user_id BIGINT NOT NULL REFERENCES users(id),
  idem_key TEXT,
  fingerprint TEXT NOT NULL,
  service_id BIGINT NOT NULL,
  type TEXT NOT NULL,
  fields TEXT NOT NULL,
  quantity BIGINT NOT NULL CHECK(quantity > 0),
  currency TEXT NOT NULL,
  rate BIGINT NOT NULL CHECK(rate >= 0),
  rule TEXT NOT NULL,
  charge BIGINT NOT NULL CHECK(charge >= 0),
  refunded BIGINT NOT NULL DEFAULT 0 CHECK(refunded >= 0 AND refunded <= charge),
  state TEXT NOT NULL CHECK(state IN ('reserved','placing','unknown','active','completed','partial','canceled','failed')),
  shown TEXT NOT NULL,
  start_count BIGINT,
  remains BIGINT,
  review TEXT,
  failure TEXT,
  routes TEXT NOT NULL,
  can_refill BIGINT NOT NULL CHECK(can_refill IN (0, 1)),
  can_cancel BIGINT NOT NULL CHECK(can_cancel IN (0, 1)),
  cancel_requested_at BIGINT,
  answerer TEXT NOT NULL,
  answered_at BIGINT,
  unheard_at BIGINT,
  replays BIGINT NOT NULL DEFAULT 0,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  UNIQUE(user_id, idem_key));

-- Only what a later identical add could ask for: the newest orders of one fingerprint.
CREATE INDEX orders_by_fingerprint ON orders(user_id, fingerprint, created_at);
CREATE INDEX orders_open ON orders(state) WHERE state IN ('reserved','placing','unknown');

CREATE TABLE attempts(
  id {ID},
  order_id BIGINT NOT NULL REFERENCES orders(id),
  n BIGINT NOT NULL CHECK(n > 0),
  provider TEXT NOT NULL,
  provider_service TEXT NOT NULL,
  cost TEXT NOT NULL,
  currency TEXT NOT NULL,
  state TEXT NOT NULL
    CHECK(state IN ('planned','sending','accepted','rejected','not_sent','unknown','not_placed')),
  upstream_order TEXT,
  reason TEXT,
  owner TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  sending_at BIGINT,
  resolved_at BIGINT,
  UNIQUE(order_id, n),
  CHECK((state = 'accepted') = (upstream_order IS NOT NULL)));

-- A second attempt cannot exist until the first is proved dead: this index is what forbids a double order.
CREATE UNIQUE INDEX one_live_attempt ON attempts(order_id)
  WHERE state IN ('planned','sending','unknown','accepted');
-- One upstream order belongs to one order of ours (panels have been seen to hand out an id twice).
CREATE UNIQUE INDEX one_owner_per_upstream_order ON attempts(provider, upstream_order)
  WHERE upstream_order IS NOT NULL;
CREATE INDEX attempts_in_flight ON attempts(state, owner) WHERE state IN ('planned','sending','unknown');

-- Apart from orders, so that polling never touches rows of money.
CREATE TABLE polls(
  order_id BIGINT PRIMARY KEY REFERENCES orders(id),
  provider TEXT NOT NULL,
  upstream_order TEXT NOT NULL,
  due_at BIGINT NOT NULL,
  lease_owner TEXT,
  lease_until BIGINT NOT NULL DEFAULT 0,
  misses BIGINT NOT NULL DEFAULT 0,
  accepted_at BIGINT NOT NULL,
  terminal_at BIGINT);
CREATE INDEX polls_due ON polls(provider, due_at, order_id);

CREATE TABLE refills(
  id BIGINT PRIMARY KEY CHECK(id > 0 AND id < 2147483648),
  order_id BIGINT NOT NULL REFERENCES orders(id),
  user_id BIGINT NOT NULL REFERENCES users(id),
  provider TEXT NOT NULL,
  upstream_order TEXT NOT NULL,
  upstream_refill TEXT,
  state TEXT NOT NULL CHECK(state IN ('asking','unknown','open','completed','rejected')),
  shown TEXT NOT NULL,
  due_at BIGINT NOT NULL,
  lease_until BIGINT NOT NULL DEFAULT 0,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL);
-- One open refill an order.
CREATE UNIQUE INDEX one_open_refill ON refills(order_id) WHERE state IN ('asking','unknown','open');
CREATE INDEX refills_by_order ON refills(order_id, id);
CREATE INDEX refills_due ON refills(provider, due_at) WHERE state = 'open';
