"""Reaching out: outgoing HTTP and nothing else.

errors        what can go wrong with another server
guard         which addresses may be connected to
names         DNS
probe         what one address shows of itself
client        the one HTTP session
well_known    the files that name a server's delegate
discovery     from a server's name to the places where it is reached
peers         requests to servers by their names, over all of the above
federation    the same, signed by this server
keys          the keys of servers, asked of themselves and of notaries
"""
