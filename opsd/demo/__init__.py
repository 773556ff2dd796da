"""The demo: recorded runs, each played into a folder of its own, served by real sprite services and supervised."""
