"""A homeserver for the endpoints of users: on SQLite, or (`either_home`) on each engine in turn."""

from tests.support.homes import either_config, either_home, home

__all__ = ["either_config", "either_home", "home"]
