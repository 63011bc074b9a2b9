"""The crash harness: real processes that are killed again and again, judged by what the panels really have."""
