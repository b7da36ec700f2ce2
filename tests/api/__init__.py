"""The APIs through HTTP, with the whole server in process."""
