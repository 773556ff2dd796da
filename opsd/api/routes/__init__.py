"""The table, by what its routes are about."""
