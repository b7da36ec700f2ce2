"""A second implementation of the authorization rules and of state resolution, to compare with: slow and literal.

Written from the text of the room version pages alone, rule by rule with their numbers, on whole states and whole auth
chains, with comparisons of version numbers. It shares nothing with the library but `Event` and the check of
third-party signatures.
"""
