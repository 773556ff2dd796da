"""Which sinks there are, who is told what, and how a delivery is tried (contract 50, 2, 3 and 12.3). Pure."""
