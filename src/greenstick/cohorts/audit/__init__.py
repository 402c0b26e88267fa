"""Find what would make a result untrue: broken files, copies, leaks, labels at odds."""

from greenstick.cohorts.audit.audit import Audit, audit_cohort, write_audit_json
from greenstick.cohorts.audit.drop import drop_rows, drop_to

__all__ = ["Audit", "audit_cohort", "drop_rows", "drop_to", "write_audit_json"]
