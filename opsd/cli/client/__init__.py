"""The control API as commands ask it: requests, the stream of changes, and which daemon is meant."""
