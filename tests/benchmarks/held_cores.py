"""Hold processes to cores, so that what asks does not disturb what is measured."""

import json
import os

CORES = "BENCHMARK_CORES"


def hold_to_core(index: int | None, process: int = 0) -> None:
    """
    Hold a process, and those that it starts from now on, to one of the cores that the benchmark may use (Linux only).

    Args:
        index: Which core; ``None``: all of them.
        process: The number of the process; 0: this one.
    """
    if hasattr(os, "sched_setaffinity"):
        # Kept by the parent, which is soon held to one of them itself.
        cores = os.environ.setdefault(CORES, json.dumps(sorted(os.sched_getaffinity(0))))
        os.sched_setaffinity(process, json.loads(cores) if index is None else {json.loads(cores)[index]})
