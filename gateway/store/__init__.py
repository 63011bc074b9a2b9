"""What must never be lost, in SQL: one command, one transaction."""
