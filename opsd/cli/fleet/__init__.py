"""``opsd fleet``: registry, passes, policy, handoff and the levers."""
