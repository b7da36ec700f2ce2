"""The plug-in API: what operators may import. Nothing is promised yet."""
