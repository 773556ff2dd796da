"""One loop's artifacts as the Superloop runtime writes them (contract 05): reading only, never writing."""
