"""Proofs of gateway/cli, file for file."""
