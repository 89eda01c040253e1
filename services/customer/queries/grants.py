"""Roles: administrators, and the jobs that stores grant."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import bindparam, select

from chassis.database import sql, statement
from services.customer.model.tables import StaffInvitation
from services.customer.rows import GrantRow, RolesRow

GET_ROLES = sql(
    """
    WITH active AS (
        SELECT g.staff_id, g.store_id, upper(g.job) AS job
        FROM staff_grants g JOIN staff_invitations i USING (customer_id, store_id)
        WHERE g.customer_id = %(customer_id)s AND NOT g.is_revoked AND i.accepted_at IS NOT NULL
    )
    SELECT EXISTS (SELECT 1 FROM administrators WHERE customer_id = %(customer_id)s) AS is_admin,
           ARRAY(SELECT store_id FROM active ORDER BY staff_id) AS stores,
           ARRAY(SELECT job FROM active ORDER BY staff_id) AS jobs
    """,
    row=RolesRow,
)
INSERT_ADMINISTRATOR = sql("INSERT INTO administrators (customer_id) VALUES (%(customer_id)s) ON CONFLICT DO NOTHING")
GET_INVITATION_ACCEPTED_AT = statement(
    select(StaffInvitation.accepted_at).where(
        StaffInvitation.customer_id == bindparam("customer_id"), StaffInvitation.store_id == bindparam("store_id")
    ),
    value=datetime,
)
UPSERT_INVITATION = sql(
    """
    INSERT INTO staff_invitations (customer_id, store_id, job) VALUES (%(customer_id)s, %(store_id)s, %(job)s)
    ON CONFLICT (customer_id, store_id) DO UPDATE SET job = excluded.job, invited_at = now()
    """
)
ACCEPT_INVITATION = sql(
    """
    UPDATE staff_invitations SET accepted_at = now()
    WHERE customer_id = %(customer_id)s AND store_id = %(store_id)s AND accepted_at IS NULL
    """
)
LOCK_GRANT = sql(
    """
    SELECT g.customer_id, g.store_id, g.job,
           NOT g.is_revoked AND EXISTS (SELECT 1 FROM staff_invitations i WHERE i.customer_id = g.customer_id
                                        AND i.store_id = g.store_id AND i.accepted_at IS NOT NULL) AS is_active
    FROM staff_grants g WHERE g.staff_id = %(staff_id)s FOR UPDATE OF g
    """,
    row=GrantRow,
)
# A lower version is stale; an equal one is applied already.
UPSERT_GRANT = sql(
    """
    INSERT INTO staff_grants (staff_id, version, customer_id, store_id, job, is_revoked)
    SELECT %(staff_id)s::uuid, %(version)s::int, c.id, %(store_id)s::uuid, %(job)s::text, %(is_revoked)s::boolean
    FROM customers c WHERE c.id = %(customer_id)s AND c.erased_at IS NULL
    ON CONFLICT (staff_id) DO UPDATE SET version = excluded.version, customer_id = excluded.customer_id,
        store_id = excluded.store_id, job = excluded.job, is_revoked = excluded.is_revoked, updated_at = now()
    WHERE staff_grants.version < excluded.version
    """
)
