"""What schema a database has, for those who only look."""

from gateway.store.engine import Query, Steps


def newest_migration() -> Steps[int]:
    """The number of the last migration that ran."""
    rows = yield Query("newest_migration")
    return int(rows[0]["newest"])
