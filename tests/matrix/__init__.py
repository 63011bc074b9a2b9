"""The fault matrix: each test is named after the row of docs/reliability.md it proves."""
