"""Proofs of gateway/cache, file for file."""
