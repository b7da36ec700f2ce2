"""Positions: one sequence for the whole server, and the settled position.

Every fact that a client or a server can wait for is a row that carries a position. A reader that follows the facts must
never see position 8 and later find that 7 was committed after all. The sequence alone cannot promise that: numbers are
drawn in one order and committed in another.

**Drawing.** On PostgreSQL a transaction that draws (a) takes a shared advisory lock, held until it ends, whose key is
the sequence's value at that moment, its low-water mark m, and then (b) draws; what it draws is above m.

**The settled position H.** A reader (1) reads V, the sequence's value, then (2) reads L, the smallest mark that is
held, and takes H = min(V, L), or V when no mark is held. (3) Only then it takes the snapshot in which it reads rows.

**Claim.** Every row with a position p ≤ H that will ever exist is visible to that snapshot. *Proof.* Let T be the
transaction that drew p ≤ H ≤ V, with mark m < p. T drew p before step 1, because V ≥ p was the sequence's value then;
and it took its mark before it drew. If T still held the mark at step 2, then L ≤ m < p ≤ H ≤ L, a contradiction. So T
had released it: it was over before step 2. PostgreSQL releases the locks of a transaction after its commit is visible
to new snapshots, so step 3 sees the row if T committed; if T was rolled back, the row will never exist. Who draws after
step 1 draws above V ≥ H. ∎

What the proof leans on, each with a test: the sequence has CACHE 1 (a cached number would be drawn before the mark); H
is read before the snapshot is taken; the reader is on the primary (advisory locks do not show on a standby); nobody
uses prepared transactions; `idle_in_transaction_session_timeout` is set, so that a stopped process cannot hold H back
for ever.

**SQLite** has one writer. The counter is a row that a transaction updates, so a committed counter means committed rows,
and H is the counter that the reader's own snapshot shows.

**Never twice.** A restored backup, a promoted copy or draws lost in a crash would give out numbers again that clients
and other servers have seen. Therefore each start raises the sequence to the clock, 16,384 numbers a second, and writes
down what it skipped; a token inside a skipped range comes from a history that was lost and gets a fresh sync.
"""

from oriz_matrix.storage.dialects import Session
from oriz_matrix.storage.transaction import Transaction
from oriz_matrix.storage.types import Position

PER_SECOND = 16_384


def raise_to_clock(session: Session, now_ms: int) -> None:
    """At the start of a process: raises the sequence to the clock if it is more than a second behind."""
    target = now_ms * PER_SECOND // 1000
    with session.transaction():
        [(last,)] = session.rows("SELECT last_value FROM positions", {})
        if last < target - PER_SECOND:
            session.raise_positions(target)


def skipped(tx: Transaction) -> list[tuple[Position, Position]]:
    """The ranges that were skipped, first and last: a token inside one comes from a history that was lost."""
    return [(first, last) for first, last in tx.rows("SELECT first, last FROM skipped ORDER BY first")]
