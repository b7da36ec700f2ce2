"""What is done to the database of a server that does not run: time passes there faster than a test can wait."""

from oriz_matrix.app import database
from oriz_matrix.base.clock import Clock
from oriz_matrix.base.config.load import load
from oriz_matrix.storage.transaction import Transaction
from tests.support.nodes.oriz import OrizNode


def let_silence_last(node: OrizNode, server: str, milliseconds: int) -> None:
    """A server has not answered this one for so long, and is to be tried again now."""
    since = Clock().now_ms() - milliseconds

    def pass_over(tx: Transaction) -> int:
        sql = "UPDATE destinations SET failing_since = :since, retry_at = 0 WHERE server = :server"
        return tx.run(sql, server=server, since=since)

    assert database.change(load(node.config), Clock(), pass_over)
