-- What polling remembers of an order beside its times: since when its panel says nothing, since when what it says of money cannot be
-- read, and the refund it named last, with how often in a row.
-- Why: a panel that is silent for hours is told to a person once; a missing remains may still come; and a provider whose words are not
-- trusted at once (refund_confirmations) has to say the same again before money is given back.

ALTER TABLE polls ADD COLUMN silent_since BIGINT;
ALTER TABLE polls ADD COLUMN unreadable_since BIGINT;
ALTER TABLE polls ADD COLUMN refund_named BIGINT;
ALTER TABLE polls ADD COLUMN refund_times BIGINT NOT NULL DEFAULT 0;
