"""New rooms: made by a user, or in place of an older one."""
