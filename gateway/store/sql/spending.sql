-- Statements of users' limits. The counts of a user are read and written under the lock of the account its holds take from.

-- name: spending_of
-- The limits as they are now, and the counts; nulls where nothing was counted yet.
SELECT u.orders_per_minute, u.spend_per_hour, u.spend_per_day, u.adds_at_once,
       s.minute, s.orders, s.hour, s.hour_spent, s.day, s.day_spent
FROM users u LEFT JOIN spending s ON s.user_id = u.id WHERE u.id = :user_id

-- name: spending_write
INSERT INTO spending(user_id, minute, orders, hour, hour_spent, day, day_spent)
VALUES(:user_id, :minute, :orders, :hour, :hour_spent, :day, :day_spent)
ON CONFLICT(user_id) DO UPDATE SET minute = excluded.minute, orders = excluded.orders, hour = excluded.hour,
  hour_spent = excluded.hour_spent, day = excluded.day, day_spent = excluded.day_spent

-- name: spending_give_back
-- An order that was counted and never placed is money that was not spent, in the windows it was counted in.
UPDATE spending SET
  hour_spent = hour_spent - CASE WHEN hour = o.created_at / 3600000 THEN o.charge ELSE 0 END,
  day_spent = day_spent - CASE WHEN day = o.created_at / 86400000 THEN o.charge ELSE 0 END
FROM orders o WHERE o.id = :order_id AND o.counted = 1 AND spending.user_id = o.user_id
