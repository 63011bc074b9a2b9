-- The attempt's table of transitions, kept by the database too (see gateway/core/attempt.py).
CREATE TRIGGER attempts_move BEFORE UPDATE OF state ON attempts
WHEN NEW.state <> OLD.state AND NOT (
  (OLD.state = 'planned' AND NEW.state IN ('sending','not_sent'))
  OR (OLD.state = 'sending' AND NEW.state IN ('accepted','rejected','unknown'))
  OR (OLD.state = 'unknown' AND NEW.state IN ('accepted','rejected','not_placed')))
BEGIN
  SELECT RAISE(ABORT, 'attempt: this move is not in the table of transitions');
END;

-- A terminal order never changes its state; what was paid back is never taken again.
CREATE TRIGGER orders_terminal BEFORE UPDATE OF state ON orders
WHEN OLD.state IN ('completed','partial','canceled','failed') AND NEW.state <> OLD.state
BEGIN
  SELECT RAISE(ABORT, 'order: a terminal state never changes');
END;
CREATE TRIGGER orders_refunded BEFORE UPDATE OF refunded ON orders
WHEN NEW.refunded < OLD.refunded
BEGIN
  SELECT RAISE(ABORT, 'order: a refund is never taken back');
END;
