"""Proofs of the gateway, laid out as the gateway is."""
