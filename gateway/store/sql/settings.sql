-- The text of providers.yaml that was used last; gateway/store/settings_seen.py says what is told of another one.

-- name: settings_seen
SELECT hash, parts, reason FROM settings_seen;

-- name: settings_see
-- Of several processes that use a new text one tells.
UPDATE settings_seen SET hash = :hash, parts = :parts, reason = :reason WHERE hash <> :hash RETURNING one;
