"""The floors of a step against counts by hand, and as bounds that hold in order."""

import dataclasses

import pytest

from benchmarks.define import roofline
from benchmarks.define.roofline import Counts
from implementations import rules

COUNTS = Counts("eprop_symmetric", "adjoint", "float32", 2, 10, 3, 5, 2, 4, input_spikes=7, spikes=6)


def with_(**changes: object) -> Counts:
    return dataclasses.replace(COUNTS, **changes)  # pyright: ignore


def test_operations_by_hand() -> None:
    found = roofline.operations(COUNTS)
    assert found["neurons, forward"] == 12 * 2 * 10 * 5
    assert found["rows of weights"] == (7 + 6) * 5
    assert found["readout"] == 2 * 2 * 10 * 2 + 6 * 2
    assert found["neurons, backward"] == 8 * 2 * 10 * 5
    assert found["Adam"] == 12 * (3 + 5 + 2) * 5
    assert "lam_v W_rec^T" not in found
    bptt = roofline.operations(with_(rule="bptt"))
    assert bptt["lam_v W_rec^T"] == 2 * 2 * 10 * 5 * 5
    assert bptt["reset"] - roofline.operations(with_(rule="bptt_detached"))["reset"] == 2 * 2 * 10 * 5
    assert with_(rule="bptt_detached").products == 1
    online = roofline.operations(with_(mode="online"))
    assert online["eligibility traces"] == 10 * 2 * 10 * (3 + 5) * 5
    assert "neurons, backward" not in online


def test_a_level_is_a_pass_of_the_neurons_and_from_the_first_hop_on_a_product() -> None:
    passes, products = 8 * 2 * 10 * 5, 2 * 2 * 10 * 5 * 5
    for rule, levels in (("snap1", 1), ("hops1", 2), ("hops2", 3), ("hops4", 5)):
        found = roofline.operations(with_(rule=rule))
        assert found["neurons, backward"] == levels * passes
        assert found.get("lam_v W_rec^T", 0) == (levels - 1) * products
        assert found["reset"] == levels * 2 * 2 * 10 * 5
    whole = roofline.operations(with_(rule="bptt"))
    assert roofline.operations(with_(rule="hops10")) == whole  # as many as there are steps
    assert roofline.chain_cycles(with_(rule="hops2")) == roofline.chain_cycles(with_(rule="bptt"))


def test_the_floor_of_rules_goes_back_to_the_readout_alone() -> None:
    found = roofline.operations(with_(rule="readout_only"))
    assert set(found) == {
        "neurons, forward", "rows of weights", "readout", "loss", "Adam", "gradient of W_out"
    }  # fmt: skip
    assert found["Adam"] == 12 * 2 * 5
    moved = roofline.moved_bytes(with_(rule="readout_only"))
    assert not any("psi" in name or "backward" in name for name in moved)
    assert moved["weights and Adam"] == 4 * (7 * 2 * 5 + (3 + 5) * 5)
    assert roofline.chain_cycles(with_(rule="readout_only")) < roofline.chain_cycles(COUNTS)


def test_snap1_online_has_a_trace_of_the_potential_for_each_synapse() -> None:
    found, eprop = (
        roofline.operations(with_(rule=rule, mode="online")) for rule in ("snap1", "eprop_symmetric")
    )
    assert found["input traces"] == 4 * 2 * 10 * (3 + 5) * 5
    assert eprop["input traces"] == 2 * 2 * 10 * (3 + 5)
    assert found["eligibility traces"] == eprop["eligibility traces"]


def test_what_is_cut_is_not_counted() -> None:
    for mode in ("adjoint", "online"):
        sums = [sum(roofline.operations(with_(rule=rule, mode=mode)).values()) for rule in
                ("sltt", "ottt", "eprop_symmetric")]  # fmt: skip
        assert sums == sorted(set(sums))
        fixed = roofline.operations(with_(rule="eprop_random", mode=mode))
        target = roofline.operations(with_(rule="drtp", mode=mode))
        assert target.pop("learning signal") < fixed.pop("learning signal")
        assert target == fixed


def test_bytes_by_hand() -> None:
    found = roofline.moved_bytes(COUNTS)
    assert found["psi, written and read"] == 2 * 4 * 2 * 10 * 5
    assert found["inputs"] == 2 * 10 * 3 / 8
    assert roofline.moved_bytes(with_(dtype="float64"))["psi, written and read"] == 2 * 8 * 2 * 10 * 5


def test_memory_of_the_online_form_does_not_grow_with_time_but_for_its_input() -> None:
    short, long = (roofline.moved_bytes(with_(mode="online", n_steps=n)) for n in (10, 1000))
    assert {name for name in short if short[name] != long[name]} == {"inputs"}


@pytest.mark.parametrize(
    ("rule", "mode"), [(rule, mode) for rule in rules.RULES for mode in rules.get(rule).modes]
)
def test_passes_are_all_of_a_step(rule: str, mode: str) -> None:
    counts = with_(rule=rule, mode=mode)
    found = roofline.passes(counts)
    whole = sum(found.values(), roofline.Pass())
    assert whole.operations == pytest.approx(sum(roofline.operations(counts).values()))
    assert whole.bytes == pytest.approx(sum(roofline.moved_bytes(counts).values()))
    assert whole.cycles == roofline.chain_cycles(counts)
    back = {"adjoint": {"backward"}, "online": {"traces"}}[mode]
    back = set() if rules.get(rule).feedback == "none" else back  # nothing goes back to the neurons
    assert set(found) == {"forward", "weights", "gradients", *back}
    for card in roofline.CARDS:
        floor_s = max(roofline.floors(counts, card).values())
        parts = [one.floor_s(card, counts.dtype) for one in found.values()]
        assert max(parts) <= floor_s * (1.0 + 1e-12)


@pytest.mark.parametrize("size", ["batch", "n_steps", "n_rec", "spikes"])
def test_larger_cases_take_no_less(size: str) -> None:
    for rule, mode in (("bptt", "adjoint"), ("eprop_random", "adjoint"), ("eprop_random", "online")):
        few = with_(rule=rule, mode=mode)
        many = dataclasses.replace(few, **{size: 10 * getattr(few, size)})
        assert sum(roofline.operations(many).values()) > sum(roofline.operations(few).values())
        for card in roofline.CARDS:
            less, more = roofline.floors(few, card), roofline.floors(many, card)
            assert all(more[bound] >= less[bound] for bound in less)


def test_time_steps_bound_a_small_network() -> None:
    """The published size: its 2250 steps one after the other take longer than moving or computing."""
    published = Counts(
        *("eprop_symmetric", "adjoint", "float32", 128, 2250, 40, 100, 2, 150),
        input_spikes=180_000,
        spikes=290_000,
    )
    card = roofline.card("NVIDIA H100 80GB HBM3")
    assert card is not None
    floors = roofline.floors(published, card)
    assert max(floors, key=lambda bound: floors[bound]) == "latency"
    assert 0.05e-3 < max(floors.values()) < 1.0e-3


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("NVIDIA H100 80GB HBM3", "H100 SXM"),
        ("NVIDIA H100 PCIe", "H100 PCIe"),
        ("NVIDIA H200", "H200"),
        ("NVIDIA A100-SXM4-80GB", "A100 80 GB SXM"),
        ("NVIDIA A100 80GB PCIe", "A100 80 GB PCIe"),
        ("NVIDIA A100-PCIE-40GB", "A100 40 GB"),
        ("NVIDIA H100 NVL", None),  # other memory: no floor rather than a wrong one
        ("NVIDIA GH200 480GB", None),
        ("Tesla T4", None),
        (None, None),
    ],
)
def test_cards_by_name(name: str | None, title: str | None) -> None:
    found = roofline.card(name)
    assert (found.title if found else None) == title
