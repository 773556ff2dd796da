"""``opsd alerts``: deliveries, sinks and silences."""
