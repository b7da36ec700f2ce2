"""`./dev schemas`: what the specification's OpenAPI documents say, held against a server that runs."""
