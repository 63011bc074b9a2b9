"""Proofs of gateway/store, file for file."""
