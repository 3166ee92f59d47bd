"""The sections on cards: time of a step, beside the backend's own loop and beside the least time there."""

from benchmarks.define import gpu_plan
from benchmarks.judge import roofline as roofs
from benchmarks.judge.costs import SIZE
from benchmarks.show import sentences
from benchmarks.show.commands import GPU_CHECK
from benchmarks.show.material import Material, Part
from benchmarks.show.section import Commands, Note, Pieces, section


def _card(material: Material) -> Part | None:
    """The newest run on a card: its `processes`, and `rows` of `roofs.steps`, labelled; None without one."""
    found = roofs.newest(material.records)
    if found is None:
        return None
    (run, processes), names = found, material.names
    environments = material.records.environments
    card = sentences.cards(environments[environments["machine"] == run.machine])
    rows = names.by_rule(names.labelled(roofs.steps(material.records, processes)))
    return Part(lead=f"{names.run_note(run)} {card}".strip(), processes=processes, rows=rows)


@section(
    "cards",
    "On a card",
    "Nothing was measured on a card. On a machine that has one, this does it:",
    GPU_CHECK,
)
def cards(material: Material) -> Pieces:
    """Times on both clocks; figures of other machines are in no ratio with them."""
    part = _card(material)
    if part is None:
        return
    yield part
    rows = part.rows
    table = material.names.cases(rows, "Steps on a card: medians.")
    table.text("engine", "engine")
    table.count("batch", "batch").count("neurons", "n_rec").count("steps", "n_steps")
    table.figure("step_s", "step_s", heading="wall clock (ms)", best_within=["rule", *SIZE])
    table.figure("step_s", "event_s", heading="events (ms)")
    if rows["loop_s"].notna().any():
        table.figure("step_s", "loop_s", heading="own loop (ms)")
        table.text("its engine", "loop_engine").figure("gain", "gain")
    table.figure("step_s", "load_s", heading="to the card (ms)")
    table.figure("step_s", "unload_s", heading="back (ms)")
    yield table.figure("device_peak_bytes", "device_peak_bytes", heading="peak on the card (MiB)").build()
    yield Note(
        "Wall clock: from the call to the end of all work. Events: the device alone, where a framework has"
        " them. Transfers are no part of a step. Own loop: the backend was told to compute with the"
        " framework's operations, in a process of the same run."
    )
    yield sentences.clocks(part.processes)
    lacks = sorted(set(gpu_plan.FALLBACKS) & set(rows.loc[rows["loop_s"].isna(), "backend"]))
    if lacks and rows.loc[rows["backend"].isin(lacks), "loop_s"].isna().all():
        text = f"The own loop of {', '.join(lacks)} was not timed on this machine. This does it:"
        yield Commands([GPU_CHECK], text)


@section("roofline", "How near a step is to what the card allows")
def roofline(material: Material) -> Pieces:
    """Of steps with a known floor: `main`, of the size that most have, its `work`, and `under_roofs`."""
    part = _card(material)
    if part is None:
        return
    known = part.rows[part.rows["over"].notna()]
    part.main = known if known.empty else roofs.main_size(known)
    part.work = "" if known.empty else material.names.work(part.main)
    part.under_roofs = known if known.empty else roofs.under_roofs(known)
    part.dtype = part.under_roofs["dtype"].iloc[0] if len(part.under_roofs) else ""
    yield part
    reasons = dict.fromkeys(part.rows.loc[part.rows["floor_s"].isna(), "no_floor"].dropna())
    if known.empty:
        why = f": {'; '.join(reasons)}" if reasons else ""
        text = f"No floor of a step is recorded{why}. Of a card with a data sheet, this counts it:"
        yield Commands([GPU_CHECK], text)
        return
    caption = "What a step computes and moves at least, the floors that follow, and its time."
    table = material.names.cases(known, caption)
    table.count("batch", "batch").count("neurons", "n_rec")
    table.figure("operations", "operations").figure("moved_bytes", "moved_bytes")
    for name in ("memory", "arithmetic", "latency"):
        table.figure("step_s", f"{name}_floor_s", heading=f"{name} (ms)")
    table.figure("floor_s", "floor_s", heading="floor (ms)").text("set by", "floor_by")
    table.figure("step_s", "step_s", heading="measured (ms)")
    table.figure("over", "over", heading="measured over floor", best_within=["rule", *SIZE])
    yield table.build()
    yield Note(
        "Floor: the highest of three: what must move over the bandwidth, what must be computed over the peak"
        " outside of tensor cores, and the time steps one after the other. Counted from the equations and"
        " the spikes that the batch had: benchmarks/define/roofline.py has every term."
    )
    if reasons:
        yield Note(f"Without a floor: {'; '.join(reasons)}.")
