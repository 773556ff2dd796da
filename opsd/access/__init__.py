"""Who may do what over HTTP: tokens, principals, scopes, and patience with those who guess.

Used by the daemon's API and by the sprite service alike, so it knows neither; `docs/security.md` tells it to people.
"""
