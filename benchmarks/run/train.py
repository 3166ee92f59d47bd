"""One training run, recorded in results/curves/NAME.jsonl as it is measured, and resumed where it stopped.

What is recorded is never measured again. After each point a checkpoint is written; with it, a run goes on
where it was. Without it (lost, damaged, or deleted because the run had ended and is now to be longer, or to
have its gradients compared from the start on), the run is trained again from step 0, which gives the same
numbers, but evaluated from the last point on only.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout

from benchmarks.define.runs import Recordable, Trained
from benchmarks.run.environment import environment
from benchmarks.run.interruption import Interrupted, held
from benchmarks.run.progress import Display
from benchmarks.store import checkpoint, command_line
from benchmarks.store.curve_file import DIVERGED, CurveFile, Recorded, UnusableFile
from benchmarks.store.files import check_writable, writing
from implementations.training import Final, NonFiniteLoss, Plan, Point


def record(
    run: Recordable,
    results: Path,
    show: Callable[[str, int], Display],
    sweep: Mapping[str, Any] | None = None,
    command: str | None = None,
) -> None:
    """Train, or go on training, up to the end of the run's plan; a run that is there already is skipped.

    Args:
        run: what to train.
        results: directory that holds curves/; made if missing.
        show: title and number of steps -> display of the run.
        sweep: where the run is trained as part of a sweep, its provenance, for the session's record.
        command: that asked for it, where that is not the one of this process.

    Raises:
        UnusableFile: the run's file is damaged, of another run, or in use by another process.
        CannotWrite: before training where it is known then; what was recorded stays.
        Interrupted: Ctrl-C or SIGTERM came; all that was measured is saved.
        NonFiniteLoss: the run diverged, which is recorded as its end. It is not trained again: a run depends
            on nothing but its settings.
    """
    directory = results / "curves"
    path = directory / f"{run.name}.jsonl"
    check_writable(path)
    with writing(directory):
        directory.mkdir(parents=True, exist_ok=True)
    checkpoint_path = directory / f"{run.name}.checkpoint.npz"
    with locked(path), show(run.title, run.plan.steps) as display:
        file = CurveFile(path, run.header)
        recorded = file.recorded
        if recorded.end_reason == DIVERGED:
            display.say(
                f"{run.title}: already recorded, it diverged after step {recorded.last_point}, skipped"
            )
            return
        if finished(recorded, run.plan):
            text = f"{run.title}: already recorded up to step {recorded.last_point}, skipped"
            if run.plan.aligned(run.plan.steps) - recorded.aligned:
                text += f"; its gradients are compared where --steps is {recorded.last_point} or more"
            display.say(text)
        else:
            try:
                _train(run, file, checkpoint_path, display, sweep, command)
            except NonFiniteLoss as error:
                end = {"kind": "end", "step": recorded.last_point, "reason": DIVERGED, "error": str(error)}
                file.append(end)
                checkpoint.delete(checkpoint_path)
                raise
        _end(file, run.plan, checkpoint_path)


def _train(
    run: Recordable,
    file: CurveFile,
    checkpoint_path: Path,
    display: Display,
    sweep: Mapping[str, Any] | None,
    command: str | None,
) -> None:
    recorded = file.recorded
    training = run.training()
    display.warming_up()
    training.warm_up()
    unresumed = _resume(training, run, recorded, checkpoint_path)
    if unresumed is not None and recorded.points:
        display.say(
            f"{run.title}: {unresumed}, so training starts again from step 0; the points up to step "
            f"{recorded.last_point} are recorded already and stay"
        )
    file.append(
        {
            "kind": "session",
            "started": datetime.now(UTC).isoformat(timespec="seconds"),
            "step": max(training.step, recorded.last_point),  # what comes before is not measured here
            "environment": environment(),
            "command": command_line.current() if command is None else command,
            **({} if sweep is None else {"sweep": dict(sweep)}),
        }
    )

    def save() -> None:
        checkpoint.write(checkpoint_path, {"run": np.array(run.name), **training.state()})

    def align() -> None:
        found = None if training.step in recorded.aligned else training.alignment()
        if found is not None:
            head = {"kind": "alignment", "step": found.step, "trials": found.trials}
            file.append({**head, **asdict(found.alignment)})

    display.start(training.step)
    every = run.plan.alignment_every
    with held() as request:
        if every and training.step % every == 0:
            align()
        for event in training.events(passed=dict(recorded.points), figures=dict(recorded.figures)):
            if isinstance(event, Point):
                _append(file, event)
                save()
                display.point(event)
            else:
                if every and event.step % every == 0:
                    align()
                display.step(event)
            if request.signal_number is not None:
                if not finished(recorded, run.plan):
                    save()
                raise Interrupted(
                    request.signal_number,
                    f"{run.title}: interrupted after step {training.step} of {run.plan.steps}; "
                    "the same command goes on from there",
                )
        if every:
            align()
    if run.plan.final_trials and recorded.final_step != recorded.last_point:
        final = training.final()
        if final is not None:
            # all at once: a run has the last network and those that it kept, or none
            kept = [
                {"kind": "kept", "network": one.network, "after": one.after, **_judged(one.final)}
                for one in training.kept()
            ]
            file.append({"kind": "final", **_judged(final)}, *kept)
    display.say(f"{run.title}: recorded up to step {recorded.last_point} in {file.path}")


def _resume(training: Trained, run: Recordable, recorded: Recorded, path: Path) -> str | None:
    """Bring a fresh training to its checkpoint; None, or why that can't be used and it stays fresh."""
    fresh = training.state()
    try:
        state = checkpoint.read(path)
        if str(state["run"]) != run.name:
            raise ValueError(run.name)
        training.restore(state, recorded.criterion_step)
    except checkpoint.UnreadableCheckpoint as error:
        reason = str(error)
    except (KeyError, ValueError, TypeError, IndexError):
        reason = f"the checkpoint {path} is damaged or of another run"
    else:
        # Steps that it passed but the file doesn't hold: lines are missing, and must be measured again.
        ahead = (
            training.last_point > recorded.last_point or training.criterion_step != recorded.criterion_step
        )
        behind = run.plan.aligned(training.step) - {training.step} - recorded.aligned
        if not ahead and not behind:
            return None
        reason = f"{path} knows of points that are not recorded"
        if not ahead:
            reason = "gradients before its checkpoint were not compared with BPTT's"
    training.restore(fresh, recorded.criterion_step)
    return reason


def _append(file: CurveFile, point: Point) -> None:
    """Append a point and the criterion that was met there."""
    figures = _judged(point)
    criterion = figures.pop("criterion")
    criteria = [] if criterion is None else [{"kind": "criterion", **criterion}]
    file.append(*criteria, {"kind": "point", **figures})


def _judged(judgement: Point | Final) -> dict[str, Any]:
    """Its figures by name, without that of a measure which is not the task's."""
    figures = asdict(judgement)
    if judgement.nmse is None:
        del figures["nmse"]
    return figures


def finished(recorded: Recorded, plan: Plan) -> bool:
    """Whether there is nothing left to measure."""
    if recorded.last_point > plan.steps:
        return True  # recorded further than this plan goes
    trained = recorded.last_point == plan.steps or (plan.stop_early and recorded.criterion_step is not None)
    judged = plan.final_trials == 0 or recorded.final_step == recorded.last_point
    return trained and judged and plan.aligned(recorded.last_point) <= recorded.aligned


def _end(file: CurveFile, plan: Plan, checkpoint_path: Path) -> None:
    """Record the end, and delete the checkpoint, of a run that ended where the plan ends."""
    recorded = file.recorded
    stopped = plan.stop_early and recorded.criterion_step == recorded.last_point
    if not stopped and recorded.last_point != plan.steps:
        return  # recorded further than this plan goes, by another plan that may be unfinished
    if recorded.end_reason is None:  # or what came after it, as more steps or compared gradients
        reason = "criterion" if stopped else "steps"
        file.append({"kind": "end", "step": recorded.last_point, "reason": reason})
    checkpoint.delete(checkpoint_path)


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Keep other processes from the run that is recorded in `path`.

    Raises:
        UnusableFile: another one is at it.
        CannotWrite: the folder takes no lock.
    """
    lock = FileLock(path.with_name(f".{path.stem}.lock"), timeout=0)
    with writing(path):
        try:
            lock.acquire()
        except Timeout:  # an OSError, too
            raise UnusableFile(f"{path} is in use: another process is recording this run") from None
    try:
        yield
    finally:
        # Deleted while held, so that no lock files pile up: filelock sees to it that nobody holds a deleted
        # one. Windows can't delete a file in use.
        with suppress(OSError):
            Path(lock.lock_file).unlink()
        lock.release()
