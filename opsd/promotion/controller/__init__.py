"""The guarded promotion controller: one deterministic pass over evidence (contract 95, section 4)."""
