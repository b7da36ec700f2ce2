"""Registration by shared secret, at the path and in the form of Synapse's admin API, which suites and bridges use."""

from oriz_matrix.api.client.credentials import SessionResponse
