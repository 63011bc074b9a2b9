"""Proofs of gateway/providers, file for file."""
