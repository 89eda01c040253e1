"""Monthly partitions (UTC) named `<table>_YYYYMM`: created ahead, dropped when they are too old.

The work is done by a database function, which a migration creates and a periodic job calls.
"""

from __future__ import annotations

from chassis.database import Database, sql

_KEEP = sql("SELECT keep_months(%(parent)s::text, 2, %(months)s::int)", value=object)


async def keep_months(db: Database, table: str, months: int) -> None:
    """Creates the partitions of this month and the next two; drops those older than `months` months."""
    async with db.maintenance() as tx:
        await tx.run(_KEEP, parent=table, months=months)


def create_keep_months() -> None:
    """The function as of revision 0001, for a migration. A later version of it is another function here."""
    from alembic import op

    op.execute(_FUNCTION_0001)


_FUNCTION_0001 = """
CREATE FUNCTION keep_months(parent TEXT, ahead INT, keep INT) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    this_month DATE := date_trunc('month', now() AT TIME ZONE 'UTC');
    month DATE;
    partition RECORD;
BEGIN
    FOR step IN 0..ahead LOOP
        month := this_month + make_interval(months => step);
        IF to_regclass(format('%s_%s', parent, to_char(month, 'YYYYMM'))) IS NULL THEN
            EXECUTE format(
                'CREATE TABLE %I PARTITION OF %I FOR VALUES FROM (%L) TO (%L)',
                format('%s_%s', parent, to_char(month, 'YYYYMM')), parent,
                month::timestamp AT TIME ZONE 'UTC',
                (month + interval '1 month')::timestamp AT TIME ZONE 'UTC'
            );
        END IF;
    END LOOP;
    FOR partition IN
        SELECT child.relname AS name FROM pg_inherits
        JOIN pg_class child ON child.oid = inhrelid
        WHERE inhparent = parent::regclass AND child.relname ~ '_[0-9]{6}$'
    LOOP
        IF to_date(right(partition.name, 6), 'YYYYMM') < this_month - make_interval(months => keep) THEN
            EXECUTE format('DROP TABLE %I', partition.name);
        END IF;
    END LOOP;
END $$;
"""
