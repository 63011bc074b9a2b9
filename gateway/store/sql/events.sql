-- Events: the audit trail and the outbox are one table; published_at says what has been told to listeners.

-- name: event_record
INSERT INTO events(kind, actor, user_id, order_id, before, after, reason, created_at)
VALUES(:kind, :actor, :user_id, :order_id, :before, :after, :reason, :now);
