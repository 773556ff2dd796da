"""A run of the dispatcher over one loop's alerts, from what is new to what is told of it (contract 50, 4 and 12)."""
