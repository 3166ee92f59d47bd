"""The one table of what is measured, one row each: tables, schema, report, gate and export follow it."""

from benchmarks.define import plugins
from benchmarks.define.metric import (
    AS_ERROR,
    AS_GROWTH,
    AS_MEMORY,
    AS_MISSED,
    AS_TIME,
    AS_TURNED,
    Judged,
    Metric,
    Place,
    exponent,
    one_decimal,
    p,
    signed,
    significant,
    three,
    times,
    two,
    whole,
    wide,
)

__all__ = ["METRICS", "Metric", "columns", "judged", "significant"]

# In the order that the columns of tables have
_ROWS = (
    Metric("step_s", "step time", "ms", "lower", 1e3, places=("time",), asv="time_step", judged=AS_TIME),
    Metric("step_ratio", "times the fastest", "×", "lower", text=two),
    Metric("speedup", "as fast as the other system", "", "higher", text=times),
    Metric(
        "forward_s", "forward pass", "ms", "lower", 1e3, places=("time",), asv="time_evaluate", judged=AS_TIME
    ),
    Metric("event_s", "step time by the card's clock", "ms", "lower", 1e3, places=("sample",)),
    Metric(
        *("compile_s", "compilation", "s", "lower"),
        places=("tracked",),
        asv="track_compilation_s",
        judged=AS_TIME,
    ),
    Metric("first_step_s", "first step", "s", "lower", places=("cost",)),
    Metric("build_s", "build", "s", "lower", places=("cost",)),
    Metric("load_s", "load", "s", "lower", places=("cost",)),
    Metric("unload_s", "unload", "s", "lower", places=("cost",)),
    Metric(
        "import_s", "import", "s", "lower", places=("cost", "sample"), asv="timeraw_import", judged=AS_TIME
    ),
    Metric(
        *("peak_bytes", "peak memory of a step", "MiB", "lower", 2.0**-20),
        places=("cost",),
        asv="track_peak_bytes",
        judged=AS_MEMORY,
    ),
    Metric(
        "first_step_peak_bytes", "peak memory of the first step", "MiB", "lower", 2.0**-20, places=("cost",)
    ),
    Metric("batch_bytes", "loaded batch", "MiB", "lower", 2.0**-20, places=("cost",)),
    Metric(
        *("device_peak_bytes", "peak memory on the device", "MiB", "lower", 2.0**-20),
        places=("cost",),
        asv="track_device_peak_bytes",
        judged=AS_MEMORY,
    ),
    Metric("operations", "operations", "MFLOP", "", 1e-6, places=("floor",)),
    Metric("moved_bytes", "memory moved", "MiB", "", 2.0**-20, places=("floor",)),
    Metric("floor_s", "floor of a step", "ms", "lower", 1e3, places=("floor",)),
    Metric("memory_floor_s", "floor by memory", "ms", "lower", 1e3, places=("floor",)),
    Metric("arithmetic_floor_s", "floor by arithmetic", "ms", "lower", 1e3, places=("floor",)),
    Metric("latency_floor_s", "floor by latency", "ms", "lower", 1e3, places=("floor",)),
    Metric("over", "times the floor", "", "lower", text=times),
    Metric("gain", "as fast as its own loop", "", "higher", text=times),
    Metric("rate", "operations per second", "TFLOP/s", "higher", 1e-12),
    Metric("library_times", "times the fastest backend", "", "lower", text=times),
    Metric("synapse_steps_per_s", "synapse-steps per second", "10⁶/s", "higher", 1e-6),
    Metric(
        *("bytes_per_step", "growth per step of a trial", "KiB", "lower", 2.0**-10),
        places=("tracked",),
        asv="track_bytes_per_step",
        judged=AS_GROWTH,
    ),
    Metric("train_loss", "training loss", "", "lower", places=("point",)),
    Metric("train_accuracy", "training accuracy", "%", "higher", 100.0, one_decimal, ("point",)),
    Metric("test_loss", "test loss", "", "lower", places=("point", "final")),
    Metric("test_accuracy", "test accuracy", "%", "higher", 100.0, one_decimal, ("point", "final")),
    Metric("rate_hz", "firing rate", "Hz", "", places=("point", "final")),
    Metric(
        *("test_error", "test error", "%", "lower", 100.0, one_decimal),
        places=("tracked", "sample"),
        asv="track_test_error",
        judged=AS_ERROR,
    ),
    Metric(
        *("nmse", "normalised squared error", "", "lower"),
        places=("tracked", "sample", "point", "final"),
        asv="track_nmse",
        judged=AS_MISSED,
    ),
    Metric(
        *("misalignment", "1 minus the cosine to BPTT", "", "lower"),
        places=("tracked",),
        asv="track_misalignment",
        judged=AS_TURNED,
    ),
    *(
        metric
        for suffix, of in (("", ""), ("_w_in", ", W in"), ("_w_rec", ", W rec"), ("_w_out", ", W out"))
        for metric in (
            Metric(f"cosine{suffix}", f"cosine to BPTT{of}", "", "higher", text=three, places=("alignment",)),
            Metric(
                f"norm_ratio{suffix}", f"length over BPTT's{of}", "", "", text=wide, places=("alignment",)
            ),
        )
    ),
    Metric("log_s", "time between lines of the log", "s", "lower", places=("logged",)),
    Metric("loss_reg", "regularisation loss", "", "lower", places=("logged",)),
    Metric("train_s", "training time", "s", "lower"),
    Metric("step", "training steps", "", "lower", text=whole),
    Metric("spikes", "differing spikes", "", "lower", text=whole),
    Metric("deviation", "relative deviation", "", "lower", text=exponent),
    Metric("p", "p", "", "", text=p),
    Metric("effect", "rank-biserial correlation", "", "", text=signed),
    Metric("share", "share", "%", "", 100.0, whole),
    Metric("criterion_share", "seeds that met it", "%", "higher", 100.0, whole),
)

METRICS = {row.column: row for row in _ROWS}
"""Column -> metric; those of plug-ins come last."""

plugins.extend(METRICS, lambda: ((row.column, row) for row in plugins.instances(Metric)), "metric")


def judged(asv_unit: str | None) -> Judged | None:
    """How the regression gate judges what ASV stored in a unit; None for not at all."""
    found = (row.judged for row in METRICS.values() if row.judged is not None)
    return next((judged for judged in found if judged.asv_unit == asv_unit), None)


def columns(*places: Place) -> list[str]:
    """The columns that are recorded in any of these places."""
    return [
        row.column
        for row in METRICS.values()
        if set(places) & {*row.places, *(["cost"] if row.measure is not None else [])}
    ]
