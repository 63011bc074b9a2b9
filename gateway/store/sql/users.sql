-- Users and their keys.

-- name: user_insert
INSERT INTO users(name, currency, tier, dialect, order_id, escaped_newlines, average_time, duplicate_window, answer, orders_per_minute, spend_per_hour, spend_per_day,
                  adds_at_once, created_at)
VALUES(:name, :currency, :tier, :dialect, :order_id, :escaped_newlines, :average_time, :duplicate_window, :answer, :orders_per_minute, :spend_per_hour, :spend_per_day,
       :adds_at_once, :now)
ON CONFLICT(name) DO NOTHING RETURNING id

-- name: user_accounts
-- The user's two accounts, written once, right after they were opened.
UPDATE users SET avail_account = :avail, held_account = :held WHERE id = :id AND avail_account IS NULL

-- name: user_by_name
SELECT id, name, state, currency, tier, dialect, order_id, escaped_newlines, average_time, duplicate_window, answer, avail_account,
       held_account, orders_per_minute, spend_per_hour, spend_per_day, adds_at_once, created_at
FROM users WHERE name = :name

-- name: user_by_key
-- Who holds a key that is alive, in one look-up; a suspended user is answered like a key that does not exist.
SELECT u.id, u.name, u.state, u.currency, u.tier, u.dialect, u.order_id, u.escaped_newlines, u.average_time, u.duplicate_window, u.answer,
       u.avail_account, u.held_account, u.orders_per_minute, u.spend_per_hour, u.spend_per_day, u.adds_at_once,
       u.created_at
FROM api_keys k JOIN users u ON u.id = k.user_id
WHERE k.hash = :hash AND k.revoked_at IS NULL AND (k.expires_at IS NULL OR k.expires_at > :now) AND u.state = 'active'

-- name: users_list
SELECT u.id, u.name, u.state, u.currency, u.tier, u.dialect, u.order_id, u.escaped_newlines, u.average_time, u.duplicate_window, u.answer,
       u.avail_account, u.held_account, u.orders_per_minute, u.spend_per_hour, u.spend_per_day, u.adds_at_once,
       u.created_at, a.balance AS avail, h.balance AS held
FROM users u JOIN accounts a ON a.id = u.avail_account JOIN accounts h ON h.id = u.held_account
WHERE CAST(:name AS TEXT) IS NULL OR u.name = CAST(:name AS TEXT)
ORDER BY u.id LIMIT :limit

-- name: users_in_another_currency
SELECT currency, COUNT(*) AS users FROM users WHERE currency <> :currency GROUP BY currency ORDER BY currency

-- name: user_state
UPDATE users SET state = :state WHERE id = :id

-- name: user_settings
UPDATE users SET tier = :tier, dialect = :dialect, order_id = :order_id, escaped_newlines = :escaped_newlines,
       average_time = :average_time, duplicate_window = :duplicate_window, answer = :answer, orders_per_minute = :orders_per_minute,
       spend_per_hour = :spend_per_hour, spend_per_day = :spend_per_day, adds_at_once = :adds_at_once
WHERE id = :id

-- name: key_insert
INSERT INTO api_keys(user_id, hash, prefix, created_at) VALUES(:user_id, :hash, :prefix, :now)
ON CONFLICT(hash) DO NOTHING

-- name: keys_of_user
SELECT id, prefix, created_at, expires_at, revoked_at FROM api_keys WHERE user_id = :user_id ORDER BY id

-- name: keys_end
-- A user's living keys end, at once or after an overlap that was asked for; one of them, or all.
UPDATE api_keys SET
  revoked_at = CASE WHEN CAST(:at AS BIGINT) <= CAST(:now AS BIGINT) THEN CAST(:now AS BIGINT) ELSE revoked_at END,
  expires_at = CAST(:at AS BIGINT)
WHERE user_id = :user_id AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > CAST(:at AS BIGINT))
  AND (CAST(:prefix AS TEXT) IS NULL OR prefix = CAST(:prefix AS TEXT)) AND hash <> :except_hash
RETURNING id
