-- Events are told to a consumer, where one is configured.
-- Why: published_at alone cannot say when to try again and when to give up. An event is to be told while published_at and dead_at are
-- empty, from due_at on; 0 in published_at means that nobody wanted it told when it happened. What happened before this migration was
-- for nobody either.

ALTER TABLE events ADD COLUMN due_at BIGINT NOT NULL DEFAULT 0;
ALTER TABLE events ADD COLUMN tries BIGINT NOT NULL DEFAULT 0;
ALTER TABLE events ADD COLUMN first_try_at BIGINT;
ALTER TABLE events ADD COLUMN problem TEXT;
ALTER TABLE events ADD COLUMN dead_at BIGINT;
UPDATE events SET published_at = 0 WHERE published_at IS NULL;
DROP INDEX events_to_publish;
CREATE INDEX events_to_publish ON events(due_at, id) WHERE published_at IS NULL AND dead_at IS NULL;
CREATE INDEX events_dead ON events(id) WHERE dead_at IS NOT NULL;
-- For an order's earlier events that are still to be told.
CREATE INDEX events_to_publish_by_order ON events(order_id, id) WHERE published_at IS NULL AND dead_at IS NULL;

-- Whether somebody wants to be told; one row. In the books and not in a process's memory, because the command line and other replicas
-- write events too.
CREATE TABLE publishing(
  one BIGINT PRIMARY KEY CHECK(one = 1),
  wanted BIGINT NOT NULL CHECK(wanted IN (0, 1)));
INSERT INTO publishing(one, wanted) VALUES(1, 0);
