"""Proofs of what the operator may set."""
