"""Proofs of gateway/actions, file for file."""
