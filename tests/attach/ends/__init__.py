"""Programs of which each ends in a way of its own, and the tests of what is said of them."""
