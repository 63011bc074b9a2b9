"""Proofs of gateway/jobs, file for file."""
