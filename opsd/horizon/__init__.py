"""The bridge from a Horizon outbox to the queue of intents that wait for an operator (contract 97)."""
