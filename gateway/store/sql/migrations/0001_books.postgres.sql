-- A transfer moves the balances of the two accounts, where they are kept; in id order, so that two transfers crossing never wait for
-- each other in a ring.
CREATE FUNCTION transfers_move() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  IF NEW.source_id < NEW.dest_id THEN
    UPDATE accounts SET balance = balance - NEW.amount WHERE id = NEW.source_id AND enforced = 1;
    UPDATE accounts SET balance = balance + NEW.amount WHERE id = NEW.dest_id AND enforced = 1;
  ELSE
    UPDATE accounts SET balance = balance + NEW.amount WHERE id = NEW.dest_id AND enforced = 1;
    UPDATE accounts SET balance = balance - NEW.amount WHERE id = NEW.source_id AND enforced = 1;
  END IF;
  RETURN NULL;
END $$;
CREATE TRIGGER transfers_move AFTER INSERT ON transfers FOR EACH ROW EXECUTE FUNCTION transfers_move();

-- Books are appended to, never rewritten.
CREATE FUNCTION stays() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION '%', TG_ARGV[0] USING ERRCODE = 'integrity_constraint_violation';
END $$;
CREATE TRIGGER transfers_stay BEFORE UPDATE OR DELETE ON transfers
  FOR EACH ROW EXECUTE FUNCTION stays('transfers: append only');
CREATE TRIGGER transfers_stay_all BEFORE TRUNCATE ON transfers
  FOR EACH STATEMENT EXECUTE FUNCTION stays('transfers: append only');
CREATE TRIGGER accounts_stay BEFORE UPDATE OF id, code, user_id, currency, enforced ON accounts
  FOR EACH ROW EXECUTE FUNCTION stays('accounts: only a balance changes');
CREATE TRIGGER accounts_stay_all BEFORE DELETE ON accounts
  FOR EACH ROW EXECUTE FUNCTION stays('accounts: an account is never deleted');
CREATE TRIGGER events_stay BEFORE UPDATE OF id, kind, actor, user_id, order_id, before, after, reason, created_at ON events
  FOR EACH ROW EXECUTE FUNCTION stays('events: append only');
CREATE TRIGGER events_stay_all BEFORE DELETE ON events
  FOR EACH ROW EXECUTE FUNCTION stays('events: append only');
