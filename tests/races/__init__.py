"""Processes that want the same money, rows and moments at once."""
