"""The daemon: supervision of loops and of its own tasks, settings, metrics, HTTP API."""
