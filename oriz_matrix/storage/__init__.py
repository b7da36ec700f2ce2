"""What we keep: synchronous functions over a transaction.

A function whose first parameter is `tx` runs in one transaction on a storage thread and has no other effect; no other
function touches the database. SQL stands as literal text in the function that runs it, limited to what SQLite and
PostgreSQL share; the rest lies in `dialects`.
"""
