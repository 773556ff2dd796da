"""A simulated Superloop runtime: the same files, written in the same ways, at any speed, and the same commands."""
