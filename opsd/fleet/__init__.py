"""Many loops: the registry of a fleet (contract 60)."""
