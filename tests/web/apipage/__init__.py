"""Proofs about the API page and its OpenAPI document."""
