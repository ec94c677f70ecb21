"""Spreads tasks over the cores; keeps what is done when the user stops the run or a worker dies."""

from __future__ import annotations

import multiprocessing
import os
import signal
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

Task = TypeVar("Task")
Result = TypeVar("Result")

AHEAD = 4  # tasks that wait for each process
SMALL = 24 << 20  # bytes of work below which starting processes costs more than it brings

# What the workers need and cannot be sent (compiled rules): set before they are forked, or made by `make_state` where
# the platform starts processes afresh.
_STATE: Any = None


@dataclass(slots=True)
class Outcome(Generic[Task, Result]):
    """`results` by position of the task. `died`: tasks whose worker was killed or crashed. `interrupted`: the user
    stopped the run; the tasks without result were not done."""

    results: dict[int, Result] = field(default_factory=dict)
    died: list[int] = field(default_factory=list)
    interrupted: bool = False


def cores() -> int:
    """How many processes make sense here."""
    return max(1, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1)


def _nothing() -> None:
    pass


def _start(make_state: Callable[[], Any] | None) -> None:
    global _STATE
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides
    if make_state is not None:
        _STATE = make_state()


def _work(function: Callable[[Any, Any], Any], position: int, task: Any) -> tuple[int, Any]:
    return position, function(_STATE, task)


def run_tasks(
    function: Callable[[Any, Task], Result],
    tasks: Sequence[Task],
    weights: Sequence[int],
    *,
    jobs: int,
    state: Any,
    make_state: Callable[[], Any],
    progress: Callable[[int], None] = lambda _weight: None,
    meanwhile: Callable[[], None] = lambda: None,
) -> Outcome[Task, Result]:
    """`function(state, task)` for every task. `weights` (bytes) say how the work is shared out; `progress` is told the
    weight of each task that is done; `meanwhile` is called once while other processes work."""
    order = sorted(range(len(tasks)), key=lambda position: (-weights[position], position))
    if jobs <= 1 or len(tasks) <= 1 or sum(weights) < SMALL:
        return _here(function, tasks, weights, order, state, progress)
    return _spread(function, tasks, weights, order, jobs, state, make_state, progress, meanwhile)


def _here(
    function: Callable[[Any, Task], Result],
    tasks: Sequence[Task],
    weights: Sequence[int],
    order: Sequence[int],
    state: Any,
    progress: Callable[[int], None],
) -> Outcome[Task, Result]:
    outcome: Outcome[Task, Result] = Outcome()
    try:
        for position in order:
            outcome.results[position] = function(state, tasks[position])
            progress(weights[position])
    except KeyboardInterrupt:
        outcome.interrupted = True
    return outcome


def _executor(jobs: int, state: Any, make_state: Callable[[], Any]) -> ProcessPoolExecutor:
    global _STATE
    if "fork" in multiprocessing.get_all_start_methods() and multiprocessing.get_start_method() in (
        "fork",
        "forkserver",
    ):
        _STATE = state
        context = multiprocessing.get_context("fork")
        return ProcessPoolExecutor(jobs, mp_context=context, initializer=_start, initargs=(None,))
    context_spawn = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(jobs, mp_context=context_spawn, initializer=_start, initargs=(make_state,))


def _spread(
    function: Callable[[Any, Task], Result],
    tasks: Sequence[Task],
    weights: Sequence[int],
    order: Sequence[int],
    jobs: int,
    state: Any,
    make_state: Callable[[], Any],
    progress: Callable[[int], None],
    meanwhile: Callable[[], None],
) -> Outcome[Task, Result]:
    outcome: Outcome[Task, Result] = Outcome()
    executor = _executor(jobs, state, make_state)
    running: dict[Future[tuple[int, Result]], int] = {}
    waiting = list(order)[::-1]
    try:
        while waiting or running:
            while waiting and len(running) < jobs * AHEAD:
                position = waiting.pop()
                running[executor.submit(_work, function, position, tasks[position])] = position
            if not outcome.results:
                meanwhile()
                meanwhile = _nothing
            done, _ = wait(running, return_when=FIRST_COMPLETED)
            for future in done:
                position = running.pop(future)
                outcome.results[position] = future.result()[1]
                progress(weights[position])
    except KeyboardInterrupt:
        outcome.interrupted = True
        executor.shutdown(wait=False, cancel_futures=True)
        return outcome
    except BrokenProcessPool:
        executor.shutdown(wait=False, cancel_futures=True)
        _one_by_one(function, tasks, weights, outcome, state, make_state, progress)
        return outcome
    executor.shutdown()
    return outcome


def _one_by_one(
    function: Callable[[Any, Task], Result],
    tasks: Sequence[Task],
    weights: Sequence[int],
    outcome: Outcome[Task, Result],
    state: Any,
    make_state: Callable[[], Any],
    progress: Callable[[int], None],
) -> None:
    """A worker died: every task that is left gets a process of its own, so that only the guilty one is lost."""
    for position, task in enumerate(tasks):
        if position in outcome.results:
            continue
        try:
            with _executor(1, state, make_state) as executor:
                outcome.results[position] = executor.submit(_work, function, position, task).result()[1]
            progress(weights[position])
        except BrokenProcessPool:
            outcome.died.append(position)
        except KeyboardInterrupt:
            outcome.interrupted = True
            return
