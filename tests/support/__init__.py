"""What the tests stand on: databases, servers, certificates. No test in it, and nothing that the package imports."""
