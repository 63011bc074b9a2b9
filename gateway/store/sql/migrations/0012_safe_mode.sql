-- Whether these books may be traded on, and in which database they were written.
-- Why: books that were put back know nothing of what happened after the backup. A backup is marked here as what it is, so that whoever
-- puts it in place, and however, starts in safe mode; tables that were made anew (a dump that was read in) are told by another identity.
-- Programs from 0011 on work with it.

CREATE TABLE safe_mode(
  one BIGINT PRIMARY KEY CHECK(one = 1),
  -- Of the database these books were last opened in; empty until a program has.
  identity TEXT NOT NULL,
  -- Since when nothing was placed, and until when; without an end it still lasts.
  since BIGINT,
  ended_at BIGINT,
  reason TEXT,
  -- Until when these books know what happened.
  known_until BIGINT,
  -- Whether numbers that may have been given out after that were skipped.
  skipped BIGINT NOT NULL DEFAULT 0 CHECK(skipped IN (0, 1)));
INSERT INTO safe_mode(one, identity) VALUES(1, '');
