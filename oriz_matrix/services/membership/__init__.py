"""Who enters and leaves rooms, here or through another server."""
