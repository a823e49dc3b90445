"""Groups of tests that pytest-xdist runs sequentially in one process."""

from __future__ import annotations

from fnmatch import fnmatch

from xdist.scheduler import LoadScopeScheduling
from xdist.workermanage import WorkerController

#: What tests share, by module path. The largest groups start first, single tests fill the gaps.
GROUPS = {
    "tests/zero_worker/*": "zero worker",
    "tests/whole_job/*": "whole job",
    "tests/deadlines/test_deployment.py": "deadlines",
    "tests/described/*": "described vendors",
    "tests/deployment/test_waits.py": "deployment",
    "tests/deployment/test_killed_triggerer.py": "deployment",
    "tests/deployment/test_deployment.py": "deployment",
    "tests/postgres/test_hostile_vendors.py": "hostile vendors",
    "tests/deployment/test_demo_leaves_nothing_behind.py": "demo",
    "tests/scale/*": "scale",
    "tests/ui/*": "ui",
    "tests/secrets/test_campaign.py": "secrets",
    "tests/access/*": "access",
}
#: So many groups run at a time: more would keep two cores from what has to happen in time.
AT_A_TIME = 2


def group_of(nodeid: str) -> str | None:
    """Return the group of a test, `None` for one that may run anywhere."""
    path = nodeid.partition("::")[0]
    return next((group for pattern, group in GROUPS.items() if fnmatch(path, pattern)), None)


class Scheduling(LoadScopeScheduling):
    """Distribute groups and single tests.

    The mark `xdist_group` would not do: all groups would begin at once.
    """

    def _split_scope(self, nodeid: str) -> str:
        return group_of(nodeid) or nodeid

    def _assign_work_unit(self, node: WorkerController) -> None:
        groups = list(dict.fromkeys(GROUPS.values()))
        running = [
            scope
            for units in self.assigned_work.values()
            for scope, tests in units.items()
            if scope in groups and not all(tests.values())
        ]
        if len(running) < AT_A_TIME:
            chosen = next((scope for scope in groups if scope in self.workqueue), None)
        else:
            chosen = next((scope for scope in self.workqueue if scope not in groups), None)
        if chosen:
            self.workqueue.move_to_end(chosen, last=False)
        super()._assign_work_unit(node)
