"""Push rules: what one is (`shape`), the predefined ones (`defaults`), a user's changes (`rules`), how far those go
from the predefined (`deviation`), and what an event means under them (`conditions`, `evaluate`).

Source: client-server API, "Push notifications".
"""
