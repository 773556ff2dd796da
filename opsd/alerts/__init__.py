"""Alerts: which escalation goes to which sink, and its delivery at least once (contract 50)."""
