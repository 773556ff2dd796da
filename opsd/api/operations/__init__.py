"""What the routes do, put together of the same functions of the rooms below as the commands. Blocking unless it says
otherwise."""
