"""Groups of tests that pytest-xdist runs sequentially in one process."""

from __future__ import annotations

from fnmatch import fnmatch

from xdist.scheduler import LoadScopeScheduling

#: What tests share, by module path. The largest groups start first, single tests fill the gaps.
GROUPS = {
    "tests/deployment/test_deployment.py": "deployment",
    "tests/deployment/test_waits.py": "deployment",
    "tests/postgres/test_hostile_vendors.py": "hostile vendors",
    "tests/postgres/test_shared_*.py": "shared tokens and logins",
    "tests/scale/*": "scale",
    "tests/ui/*": "ui",
    "tests/zero_worker/*": "zero worker",
}


def group_of(nodeid: str) -> str | None:
    """Return the group of a test, `None` for one that may run anywhere."""
    path = nodeid.partition("::")[0]
    return next((group for pattern, group in GROUPS.items() if fnmatch(path, pattern)), None)


class Scheduling(LoadScopeScheduling):
    """Distribute groups and single tests.

    The mark `xdist_group` would do, but pytest-xdist 3.8 does not see it with pytest 9.2.
    """

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid) or nodeid
