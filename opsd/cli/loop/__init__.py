"""Commands about one loop, and about the list of them."""
