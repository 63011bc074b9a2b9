-- A transfer moves the balances of the two accounts, where they are kept.
CREATE TRIGGER transfers_move AFTER INSERT ON transfers
BEGIN
  UPDATE accounts SET balance = balance - NEW.amount WHERE id = NEW.source_id AND enforced = 1;
  UPDATE accounts SET balance = balance + NEW.amount WHERE id = NEW.dest_id AND enforced = 1;
END;

-- Books are appended to, never rewritten.
CREATE TRIGGER transfers_stay BEFORE UPDATE ON transfers
BEGIN
  SELECT RAISE(ABORT, 'transfers: append only');
END;
CREATE TRIGGER transfers_stay_all BEFORE DELETE ON transfers
BEGIN
  SELECT RAISE(ABORT, 'transfers: append only');
END;
CREATE TRIGGER accounts_stay BEFORE UPDATE OF id, code, user_id, currency, enforced ON accounts
BEGIN
  SELECT RAISE(ABORT, 'accounts: only a balance changes');
END;
CREATE TRIGGER accounts_stay_all BEFORE DELETE ON accounts
BEGIN
  SELECT RAISE(ABORT, 'accounts: an account is never deleted');
END;
CREATE TRIGGER events_stay BEFORE UPDATE OF id, kind, actor, user_id, order_id, before, after, reason, created_at ON events
BEGIN
  SELECT RAISE(ABORT, 'events: append only');
END;
CREATE TRIGGER events_stay_all BEFORE DELETE ON events
BEGIN
  SELECT RAISE(ABORT, 'events: append only');
END;
