"""What comes in from other servers: transactions, and the events in them on their way into rooms."""
