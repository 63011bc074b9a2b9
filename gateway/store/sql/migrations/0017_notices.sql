-- Notices: what people are told of without Prometheus, and what each channel has been told.
-- Why: whoever restarts must not tell again what was told, of several processes one tells, and a channel that was away
-- hears what it missed; so what is open and who knows of it stands in the books.
-- Programs from 0016 on work with it.

CREATE TABLE notices(
  -- Kind and subject, and what tells passing news of one subject apart.
  key TEXT PRIMARY KEY,
  kind TEXT NOT NULL,
  subject TEXT NOT NULL,
  mark TEXT NOT NULL,
  since BIGINT NOT NULL,
  wrong_at BIGINT NOT NULL,
  -- Empty until it has lasted long enough, and until it is over.
  opened_at BIGINT,
  closed_at BIGINT,
  gone BIGINT NOT NULL CHECK(gone IN (0, 1)),
  back BIGINT NOT NULL,
  facts TEXT NOT NULL,
  -- Grows with each change: of two processes that change it, the second one's is not written.
  version BIGINT NOT NULL);

-- What a channel was last told of a notice: of which opening, and whether of its end.
CREATE TABLE notices_heard(
  channel TEXT NOT NULL,
  notice TEXT NOT NULL,
  opened_at BIGINT NOT NULL,
  closed BIGINT NOT NULL CHECK(closed IN (0, 1)),
  told_at BIGINT NOT NULL,
  PRIMARY KEY(channel, notice));

CREATE TABLE notice_channels(
  name TEXT PRIMARY KEY,
  since BIGINT NOT NULL,
  sent_at BIGINT NOT NULL,
  hour BIGINT NOT NULL,
  sent_in_hour BIGINT NOT NULL,
  held_since BIGINT,
  digest_day BIGINT NOT NULL,
  failing_since BIGINT,
  tries BIGINT NOT NULL,
  due_at BIGINT NOT NULL,
  problem TEXT NOT NULL,
  -- Who tells it something now.
  lease_owner TEXT NOT NULL,
  lease_until BIGINT NOT NULL);
