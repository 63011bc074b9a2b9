"""The clock in: what has to happen again and again without anybody asking."""
