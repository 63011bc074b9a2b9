-- What a user may order in a minute and spend in an hour or a day, and the counts of it.
-- Why: a key that was stolen, or a caller's loop, spends a whole balance in a minute. The counts stand in the books, in one row a user
-- that is written in the transaction of the hold, because a limit of money has to hold whatever several processes store at once. Users
-- without limits are not counted.

ALTER TABLE users ADD COLUMN orders_per_minute BIGINT NOT NULL DEFAULT 0 CHECK(orders_per_minute >= 0);
ALTER TABLE users ADD COLUMN spend_per_hour BIGINT NOT NULL DEFAULT 0 CHECK(spend_per_hour >= 0);
ALTER TABLE users ADD COLUMN spend_per_day BIGINT NOT NULL DEFAULT 0 CHECK(spend_per_day >= 0);
ALTER TABLE users ADD COLUMN adds_at_once BIGINT NOT NULL DEFAULT 0 CHECK(adds_at_once >= 0);

-- Each count with the number of its window (of minutes, hours, days) since the epoch.
CREATE TABLE spending(
  user_id BIGINT PRIMARY KEY REFERENCES users(id),
  minute BIGINT NOT NULL,
  orders BIGINT NOT NULL,
  hour BIGINT NOT NULL,
  hour_spent BIGINT NOT NULL CHECK(hour_spent >= 0),
  day BIGINT NOT NULL,
  day_spent BIGINT NOT NULL CHECK(day_spent >= 0));

-- Whether an order is in those counts: only then is it taken out of them again when it was never placed.
ALTER TABLE orders ADD COLUMN counted BIGINT NOT NULL DEFAULT 0 CHECK(counted IN (0, 1));
