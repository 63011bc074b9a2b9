-- Services of providers that wait for a person, because their price jumped, they are another service now, or were gone.
-- Why: what is on sale again by itself sells a slip of the panel's, or something else under the same id.
-- Programs from 0017 on work with it: one that does not know it sells what waits.

CREATE TABLE held_services(
  provider TEXT NOT NULL,
  -- The provider's own id.
  service TEXT NOT NULL,
  -- What is gone does not wait; it is kept so that its return is known.
  reason TEXT NOT NULL CHECK(reason IN ('price','changed','returned','gone')),
  -- As it was last believed, and as its list has it now; empty while it is gone.
  name TEXT NOT NULL,
  type TEXT NOT NULL,
  rate TEXT NOT NULL,
  now_name TEXT NOT NULL,
  now_type TEXT NOT NULL,
  now_rate TEXT,
  since BIGINT NOT NULL,
  PRIMARY KEY(provider, service));
