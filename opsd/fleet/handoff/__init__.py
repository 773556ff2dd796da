"""Handoff: from the policy's candidates to control intents, dispatched by an operator or within rails (contract 80)."""
