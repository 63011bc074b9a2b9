"""Proofs of gateway/web, file for file."""
