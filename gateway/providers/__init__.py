"""HTTP out: asking one provider one thing, under limits."""
