"""Proofs of the alerts with Prometheus itself: `make alerts`, which fetches the program where it can be had."""
