"""Commands that run the daemon, ask it about itself, or follow it."""
