"""The life of orders as a Hypothesis state machine over the real store, beside a model of a few lines."""
