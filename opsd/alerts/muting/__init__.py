"""What holds an alert back: silences and inhibitions, and the matchers of both (contract 50, R13 and R14). Pure."""
