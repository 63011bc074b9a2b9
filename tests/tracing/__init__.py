"""Proofs about spans: the record, the way out, the switch, and what is seen of a running gateway."""
