"""Control of one loop: intents that are written down before they run, executed, confirmed and audited."""
