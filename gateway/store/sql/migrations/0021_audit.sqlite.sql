-- INSERT OR REPLACE takes a row away without asking a trigger for deletions.
CREATE TRIGGER events_stay_whole BEFORE INSERT ON events WHEN NEW.id IN (SELECT id FROM events)
BEGIN
  SELECT RAISE(ABORT, 'events: append only');
END;
