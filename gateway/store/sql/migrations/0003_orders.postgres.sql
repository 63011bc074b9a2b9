-- The attempt's table of transitions, kept by the database too (see gateway/core/attempt.py).
CREATE FUNCTION attempts_move() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'attempt: this move is not in the table of transitions';
END $$;
CREATE TRIGGER attempts_move BEFORE UPDATE OF state ON attempts FOR EACH ROW
WHEN (NEW.state <> OLD.state AND NOT (
  (OLD.state = 'planned' AND NEW.state IN ('sending','not_sent'))
  OR (OLD.state = 'sending' AND NEW.state IN ('accepted','rejected','unknown'))
  OR (OLD.state = 'unknown' AND NEW.state IN ('accepted','rejected','not_placed'))))
EXECUTE FUNCTION attempts_move();

-- A terminal order never changes its state; what was paid back is never taken again.
CREATE FUNCTION orders_terminal() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'order: a terminal state never changes';
END $$;
CREATE TRIGGER orders_terminal BEFORE UPDATE OF state ON orders FOR EACH ROW
WHEN (OLD.state IN ('completed','partial','canceled','failed') AND NEW.state <> OLD.state)
EXECUTE FUNCTION orders_terminal();
CREATE FUNCTION orders_refunded() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'order: a refund is never taken back';
END $$;
CREATE TRIGGER orders_refunded BEFORE UPDATE OF refunded ON orders FOR EACH ROW
WHEN (NEW.refunded < OLD.refunded)
EXECUTE FUNCTION orders_refunded();
