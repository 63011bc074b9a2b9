-- What panels say went wrong and no table knows: a row for each provider and pattern, so that a person judges each once.
-- Why: an add that is answered with an unknown text is in doubt, and so is the next one with the same text.
-- Programs from 0012 on work with it.

CREATE TABLE panel_texts(
  id {ID},
  provider TEXT NOT NULL,
  pattern TEXT NOT NULL,
  action TEXT NOT NULL,
  example TEXT NOT NULL,
  seen BIGINT NOT NULL CHECK(seen > 0),
  first_seen_at BIGINT NOT NULL,
  last_seen_at BIGINT NOT NULL,
  -- A kind of refusal or the word nothing; empty until somebody said so.
  meaning TEXT,
  UNIQUE(provider, pattern));

-- The number of the last batch of them that a process brought.
ALTER TABLE owners ADD COLUMN texts_batch BIGINT NOT NULL DEFAULT 0;
