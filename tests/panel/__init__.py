"""Proofs of gateway/panel, file for file."""
