"""Fleet status: what is known of the fleet, joined from the documents of its steps (contract 75). Pure."""
