"""Receivers: one request to one of them, what its answer means, and how each stands (contract 50, R1, R2, R9, R10)."""
