"""What every HTTP client of the manager shares: which addresses are fit, which proxy is meant, what is read."""
