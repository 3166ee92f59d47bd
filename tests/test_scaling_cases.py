"""`measure --scaling`: the sizes, each once, and what the report finds in them."""

from click.testing import CliRunner

from benchmarks.__main__ import main
from benchmarks.define.cases import (
    BATCH,
    MEMORY_BATCH,
    SCALED_BATCHES,
    SCALED_NEURONS,
    scaling_cases,
    step_cases,
)


def test_every_size_is_measured_once_for_time_and_once_for_memory():
    cases = scaling_cases([("numba", "eprop_symmetric")], ("adjoint", "online"), dtype="float64")
    assert len(set(cases)) == len(cases) == 2 * 2 * (len(SCALED_NEURONS) + len(SCALED_BATCHES) - 1)
    for mode in ("adjoint", "online"):
        for memory in (False, True):
            own = [case.record() for case in cases if case.mode == mode and case.memory == memory]
            neurons = {size["n_rec"] for size in own if size["batch"] == MEMORY_BATCH}
            batches = {size["batch"] for size in own if size["n_rec"] == 100}
            assert neurons == set(SCALED_NEURONS)
            assert batches == set(SCALED_BATCHES)
            assert {(size["n_steps"], size["dtype"]) for size in own} == {(2250, "float64")}


def test_a_size_of_both_sweeps_and_of_the_steps_is_one_case():
    pair = [("numba", "bptt")]
    shared = set(scaling_cases(pair, ("adjoint",))) & set(step_cases(pair, ("adjoint",)))
    assert {case.batch for case in shared} == {BATCH}
    assert {case.memory for case in shared} == {False, True}


def test_nothing_to_measure_is_an_error():
    done = CliRunner().invoke(main, ["measure", "--no-steps", "--no-lengths"])
    assert done.exit_code == 2
    assert "nothing to measure" in done.output
