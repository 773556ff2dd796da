"""One loop: what the manager concludes from an observation (pure) and the pass that does it (shell)."""
