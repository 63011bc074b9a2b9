"""The dashboards, a file for each."""
