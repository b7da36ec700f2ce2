"""Random room graphs of several simulated servers, and an obvious model of what a homeserver must make of them."""
