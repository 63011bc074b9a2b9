"""Proofs of the metrics, file for file."""
