"""What delivery reads and writes, as values: rows, journal, ledger, dead letters, state, telemetry. Pure."""
