"""What writes files of this repository from others of its files; each has a test that the result is in step."""
