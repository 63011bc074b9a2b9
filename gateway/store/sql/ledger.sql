-- Accounts and transfers. Balances are moved by the trigger of 0001_books on every transfer, in the same statement.

-- name: accounts_lock
-- In id order, so that two commands never wait for each other in a ring; the order's row is locked before these.
SELECT id, currency, balance FROM accounts WHERE id {ANY:ids} ORDER BY id {FOR_UPDATE};

-- name: account_balance
SELECT currency, balance FROM accounts WHERE id = :id;

-- name: account_open_house
-- House accounts keep no balance: they are sums of their transfers, so no row of theirs is hot.
INSERT INTO accounts(code, currency, enforced) VALUES(:code, :currency, 0) ON CONFLICT(code) DO NOTHING;

-- name: account_open_user
INSERT INTO accounts(code, user_id, currency, enforced) VALUES(:code, :user_id, :currency, 1) RETURNING id;

-- name: transfer_post
-- The money guard: one statement that writes the transfer only where the source may give so much, and only once a key.
-- The users' accounts in it are locked first, in id order, and the balance is read under that lock: another replica's hold is waited
-- for, then seen. House accounts are never locked. No row: the key is known, an account is missing or has another currency, or the
-- source holds too little.
WITH locked AS (
  SELECT id, balance FROM accounts WHERE code IN (:source, :dest) AND enforced = 1 ORDER BY id {FOR_UPDATE})
INSERT INTO transfers(tx_key, kind, order_id, source_id, dest_id, currency, amount, created_at)
SELECT :tx_key, :kind, CAST(:order_id AS BIGINT), s.id, d.id, :currency, CAST(:amount AS BIGINT), CAST(:now AS BIGINT)
FROM accounts s CROSS JOIN accounts d
WHERE s.code = :source AND d.code = :dest AND s.currency = :currency AND d.currency = :currency
  AND (s.enforced = 0 OR (SELECT balance FROM locked WHERE locked.id = s.id) >= CAST(:amount AS BIGINT))
ON CONFLICT(tx_key) DO NOTHING
RETURNING id;

-- name: transfer_by_key
SELECT t.kind, t.order_id, t.amount, t.currency, s.code AS source, d.code AS dest
FROM transfers t JOIN accounts s ON s.id = t.source_id JOIN accounts d ON d.id = t.dest_id
WHERE t.tx_key = :tx_key;

-- name: account_balance_lock
SELECT balance FROM accounts WHERE code = :code {FOR_UPDATE};

-- name: account_holder
-- The user one of whose accounts is an end of a transfer.
SELECT u.name FROM accounts a JOIN users u ON u.id = a.user_id WHERE a.code IN (:source, :dest);
