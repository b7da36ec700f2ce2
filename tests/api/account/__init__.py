"""What a user keeps here and says of themselves: account data, tags, push rules, profiles."""
