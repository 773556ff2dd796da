"""The daemon's own tasks and the queue in front of its workers; nothing here knows of loops."""
