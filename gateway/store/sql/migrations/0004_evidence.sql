-- The exchange of an attempt, redacted and cut, as JSON (gateway/core/exchange.py): what a person needs to judge what became of it.
-- Why: a reason is one line; doubt is settled, and a rule about a panel corrected, by what was sent and what came back.
-- Written in the statement of the verdict, so there is no verdict without the exchange it was read from.
ALTER TABLE attempts ADD COLUMN evidence TEXT;
