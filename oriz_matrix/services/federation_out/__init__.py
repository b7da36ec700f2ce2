"""What goes out to other servers by itself: events and messages, destination by destination."""
