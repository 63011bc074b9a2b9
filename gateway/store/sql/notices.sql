-- Statements of notices: what is open, what channels have heard of it, and whose turn it is to tell them.

-- name: notices_all
SELECT key, kind, subject, mark, since, wrong_at, opened_at, closed_at, gone, back, facts, version FROM notices ORDER BY key LIMIT :limit

-- name: notice_begin
-- Two processes may see it at once: the first one's stands.
INSERT INTO notices(key, kind, subject, mark, since, wrong_at, opened_at, closed_at, gone, back, facts, version)
VALUES(:key, :kind, :subject, :mark, :since, :wrong_at, :opened_at, :closed_at, :gone, :back, :facts, 1)
ON CONFLICT(key) DO NOTHING

-- name: notice_change
UPDATE notices SET since = :since, wrong_at = :wrong_at, opened_at = :opened_at, closed_at = :closed_at, gone = :gone, back = :back,
  facts = :facts, mark = :mark, version = version + 1
WHERE key = :key AND version = :version

-- name: notice_end
DELETE FROM notices WHERE key = :key AND version = :version

-- name: notices_heard
SELECT channel, notice, opened_at, closed, told_at FROM notices_heard ORDER BY channel, notice

-- name: notice_hear
INSERT INTO notices_heard(channel, notice, opened_at, closed, told_at) VALUES(:channel, :notice, :opened_at, :closed, :told_at)
ON CONFLICT(channel, notice) DO UPDATE SET opened_at = :opened_at, closed = :closed, told_at = :told_at

-- name: notices_unheard
-- What was heard of notices that are no more.
DELETE FROM notices_heard WHERE NOT EXISTS (SELECT 1 FROM notices n WHERE n.key = notices_heard.notice)

-- name: notice_channels
SELECT name, since, sent_at, hour, sent_in_hour, held_since, digest_day, failing_since, tries, due_at, problem
FROM notice_channels ORDER BY name

-- name: notice_channel_begin
INSERT INTO notice_channels(name, since, sent_at, hour, sent_in_hour, digest_day, tries, due_at, problem, lease_owner, lease_until)
VALUES(:name, :now, 0, 0, 0, 0, 0, 0, '', '', 0)
ON CONFLICT(name) DO NOTHING

-- name: notice_channel_claim
-- One teller a channel, until its lease ends by the database's clock or is given back.
UPDATE notice_channels SET lease_owner = :owner, lease_until = {NOW} + CAST(:ms AS BIGINT)
WHERE name = :name AND (lease_owner = :owner OR lease_until < {NOW}) RETURNING name

-- name: notice_channel_change
-- By whoever has it.
UPDATE notice_channels SET sent_at = :sent_at, hour = :hour, sent_in_hour = :sent_in_hour, held_since = :held_since,
  digest_day = :digest_day, failing_since = :failing_since, tries = :tries, due_at = :due_at, problem = :problem, lease_until = 0
WHERE name = :name AND lease_owner = :owner

-- name: users_low
-- Users who have less than so much and have had some; the longest known first, so that a limit leaves out always the same ones.
SELECT u.name, a.balance FROM users u JOIN accounts a ON a.id = u.avail_account
WHERE u.state = 'active' AND a.balance < CAST(:below AS BIGINT) AND EXISTS (SELECT 1 FROM transfers t WHERE t.dest_id = a.id)
ORDER BY u.id LIMIT :limit
