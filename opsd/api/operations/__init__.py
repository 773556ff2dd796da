"""What the routes do, as functions that the commands share where both do it. Blocking unless it says otherwise."""
