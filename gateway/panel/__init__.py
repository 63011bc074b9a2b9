"""The simulated panel: a whole upstream panel as a program of its own, well-behaved or not, as told."""
