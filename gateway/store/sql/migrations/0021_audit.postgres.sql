-- TRUNCATE asks no trigger for rows.
CREATE TRIGGER events_stay_whole BEFORE TRUNCATE ON events
  FOR EACH STATEMENT EXECUTE FUNCTION stays('events: append only');
CREATE TRIGGER accounts_stay_whole BEFORE TRUNCATE ON accounts
  FOR EACH STATEMENT EXECUTE FUNCTION stays('accounts: an account is never deleted');
