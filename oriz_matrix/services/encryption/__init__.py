"""End-to-end encryption as far as a server has to do with it: keys and lists of devices, messages to devices."""
