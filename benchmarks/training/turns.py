"""The turns of processes that are measured side by side; of the standard library alone, as PyTorch's Python lacks the rest."""

import json
import sys
import time

#: Images a step, as in the sample's schedules, and identities, as in the drawn data set.
BATCH, IDENTITIES, EMBEDDING = 16, 40, 256
#: Steps of a turn that are measured, after those that fill caches and pipelines again.
STEPS, FIRST_STEPS = 4, 2


class Turns:
    """A process's side: steps are counted and measured, and each turn ends with a line of JSON and waits for the next.

    Args:
        facts: What the parent is told with the first line, such as the number of parameters.
    """

    def __init__(self, facts: dict[str, float]) -> None:
        self._facts = facts
        self._left = FIRST_STEPS
        self._measuring = False
        self._began = (0.0, 0.0)

    def step_done(self) -> None:
        """Count a step; at the end of a turn wait for the next one, and end the process where there is none."""
        self._left -= 1
        if self._left:
            return
        if self._measuring:
            now = time.perf_counter(), time.process_time()
            wall, used = ((after - before) / STEPS for after, before in zip(now, self._began, strict=True))
            self._wait({"seconds": wall, "cpu_seconds": used})
        elif self._facts:
            self._wait(self._facts)
            self._facts = {}
        else:
            self._measuring, self._left = True, STEPS
            self._began = time.perf_counter(), time.process_time()

    def _wait(self, line: dict[str, float]) -> None:
        print(json.dumps(line), flush=True)
        if not sys.stdin.readline():
            sys.exit(0)
        self._measuring, self._left = False, FIRST_STEPS
