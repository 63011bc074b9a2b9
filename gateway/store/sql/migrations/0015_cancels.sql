-- Cancels that a panel has to be told of: one for each order that a panel has and that nobody wants any more.
-- Why: whoever learnt that a panel has such an order told the panel, and a process that died in between told nobody. Now the books
-- owe it until somebody has: a telling is counted (sends) before its first byte, and due_at is empty once nothing is left to tell.
-- Programs from 0014 on work with it.

CREATE TABLE cancels(
  order_id BIGINT PRIMARY KEY REFERENCES orders(id),
  provider TEXT NOT NULL,
  upstream_order TEXT NOT NULL,
  -- Whether nobody waits for the order because its user was refunded while it was in doubt.
  given_up BIGINT NOT NULL CHECK(given_up IN (0, 1)),
  sends BIGINT NOT NULL DEFAULT 0 CHECK(sends BETWEEN 0 AND 2),
  teller TEXT,
  sent_at BIGINT,
  due_at BIGINT,
  answer TEXT CHECK(answer IS NULL OR answer IN ('taken','refused','dropped')),
  answered_at BIGINT,
  created_at BIGINT NOT NULL);
CREATE INDEX cancels_due ON cancels(provider, due_at) WHERE due_at IS NOT NULL;
