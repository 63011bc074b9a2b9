-- The orders that a panel makes by itself for one of ours: one for each post of a subscription.
-- Why: what a subscription came to is known by them alone. Each is asked about like an order, until it is left alone (due_at is null),
-- and its last word and charge are kept. No money hangs on a row of its own: the subscription is settled by all of them.
-- No program before it works with it: one that polled a subscription would give all of its charge back at its end.

CREATE TABLE children(
  id {ID},
  order_id BIGINT NOT NULL REFERENCES orders(id),
  provider TEXT NOT NULL,
  upstream_order TEXT NOT NULL,
  status TEXT CHECK(status IS NULL OR status IN ('Pending','Processing','In progress','Completed','Partial','Canceled')),
  charge TEXT,
  created_at BIGINT NOT NULL,
  seen_at BIGINT,
  ended_at BIGINT,
  due_at BIGINT,
  lease_owner TEXT,
  lease_until BIGINT NOT NULL DEFAULT 0,
  misses BIGINT NOT NULL DEFAULT 0,
  silent_since BIGINT,
  UNIQUE(provider, upstream_order));
CREATE INDEX children_of_order ON children(order_id);
CREATE INDEX children_due ON children(provider, due_at, id) WHERE due_at IS NOT NULL;
