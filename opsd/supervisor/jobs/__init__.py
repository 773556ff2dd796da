"""Commands of this manager as processes of their own, on timers and on request."""
