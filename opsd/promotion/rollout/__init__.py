"""Turning a promotion decision into one governed change of the fleet's registry, and taking it back (contract 95)."""
