"""The manager's persistence: the one write path (contract 00, *Manager Persistence Paths*)."""
