"""Measurements of the gateway: work counted beside time taken."""
