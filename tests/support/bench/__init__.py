"""`./dev bench`: the load benchmark on Oriz, beside Synapse where one is there, and the page and the charts of it.

`measures` says what is taken from the benchmark's results, `contestants` starts and stops the servers, `rounds` lets
them take turns, `results` keeps the figures, `page` and `charts` show them.
"""
