"""The tests of Oriz, sorted by what they need; `./dev test` runs them."""
