-- The audit trail stays whole, and it tells what providers.yaml became and why.
-- Why: prices, routes and providers change by an edit of a file that the books know nothing of. Whichever process first uses another
-- text writes an event; what it is compared with stands here, for a restart, and so that of several processes one tells.
-- Programs from 0019 on work with it.

CREATE TABLE settings_seen(
  one BIGINT PRIMARY KEY CHECK(one = 1),
  -- Of the text; empty until a process has used one.
  hash TEXT NOT NULL,
  -- JSON: a digest for each part of it (markup, tiers.NAME, providers.NAME, services.ID …), without secrets.
  parts TEXT NOT NULL,
  -- What the text said its own reason was.
  reason TEXT NOT NULL);
INSERT INTO settings_seen(one, hash, parts, reason) VALUES(1, '', '{}', '');
