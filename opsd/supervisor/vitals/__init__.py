"""Whether the daemon itself lives, and whom it tells."""
