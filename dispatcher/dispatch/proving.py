"""The second look of a scan: which tests fail only now and then, and whom those that are new point to."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from dispatcher.dispatch import failing
from dispatcher.dispatch.desk import Desk
from dispatcher.domain import rescan
from dispatcher.domain.failure import BAD, Failure, Flaky
from dispatcher.domain.fingerprint import digest
from dispatcher.scan import blame, evidence, sample
from dispatcher.scan.evidence import Evidence, Sample
from dispatcher.scan.history import History
from dispatcher.scan.legs import Order
from dispatcher.scan.patience import Limits
from dispatcher.scan.rerun import Reruns
from dispatcher.scan.runner import Progress, Run


class Look(NamedTuple):
    """A run to be looked at again: on what, how it was run, and who is told how far the second look is."""

    desk: Desk
    order: Order
    limits: Limits
    on_progress: Callable[[Progress], None]

    def repeat(self, ran: Run, times: int) -> Run:
        """Run what has failed, and what is known to be flaky, so many times more; return the run with what that shows.

        A failure that is flaky has another cause than the same failure of tests that never pass.
        """
        failures = ran.findings.failures
        known = self.desk.store.view(lambda ledger: failing.of_ledger(self.desk, ledger))
        flaky_before = {t for k in known.values() if "flaky" in k.task and k.status != "COMPLETED" for t in k.members}
        tests = {t for t, f in failures.items() if f["when"] != "collect"} - ran.sudden
        tests |= {t for t in flaky_before if ran.findings.outcomes.get(t) == "passed"}
        if not tests:
            return ran
        without_coverage = [argument for argument in ran.alone if argument == "--no-cov"]
        order = self.order._replace(arguments=(*self.order.arguments, *without_coverage))
        again = Reruns(order, self.limits, self.desk.redactor.text, self.on_progress)
        again.run(tests, times)
        for test in tests & failures.keys():
            if again.passed[test]:
                _make_flaky(failures[test], again.passed[test], again.runs[test] + 1)
        counted = {
            t: Flaky(passed=again.passed[t] + (ran.findings.outcomes[t] not in BAD), runs=again.runs[t] + 1)
            for t in tests
        }
        return ran._replace(
            findings=ran.findings._replace(flaky=counted), interrupted=ran.interrupted or again.interrupted
        )

    def prove(self, ran: Run, *, group: bool) -> Run:
        """Run again what is new to the tasks, with passing tests beside, and add to the failures what that shows."""
        known = self.desk.store.view(lambda ledger: failing.of_ledger(self.desk, ledger))
        plan = rescan.plan(known, ran.findings, lambda _task: [], group=group)
        added: list[Failure] = [failure for failures in plan.added for failure in failures]
        changed = [f for tasks in (plan.reopened, plan.changed) for failures in tasks.values() for f in failures]
        again = sample.failing(failure for failure in (*added, *changed) if failure["test"] not in ran.sudden)
        if not plan.added and not changed:
            return ran
        found = self._second_pass(ran, again) if again else Evidence()
        if group:
            blame.join(added, found)
        history = History(ran.layout.rootdir, self.desk.redactor.text)
        blame.explain([*added, *changed], found, ran.layout.rootdir, history)
        return ran._replace(interrupted=ran.interrupted or found.interrupted)

    def _second_pass(self, ran: Run, again: list[str]) -> Evidence:
        seconds = self.desk.settings.seconds("scan.evidenceTimeout")
        wanted = Sample(again, sample.passing(ran.findings.outcomes, again), seconds, self.limits)
        alone = self.order._replace(arguments=(*self.order.arguments, *ran.alone))
        redact = self.desk.redactor.text
        found = evidence.gather(alone, ran.layout, wanted, redact=redact, on_progress=self.on_progress)
        ran.findings.facts["evidence"] = {
            "failing": len(found.failing), "passing": len(found.passing), "cpu_seconds": round(found.cpu, 2),
            **({"cut_short": found.cut_short} if found.cut_short else {}),
        }  # fmt: skip
        return found


def _make_flaky(failure: Failure, passed: int, runs: int) -> None:
    failure["flaky"] = {"passed": passed, "runs": runs}
    failure["cause"] = digest("flaky", failure["cause"])
