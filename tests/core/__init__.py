"""Proofs of gateway/core, file for file."""
