"""The in-VM service: one repo's loops over HTTP (contract 30, section 6)."""
