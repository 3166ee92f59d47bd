"""What ASV stored, by its own reader: FOLDER/MACHINE/COMMIT-ENVIRONMENT.json, and FOLDER/benchmarks.json."""

import ast
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import pandas as pd
from asv.results import Results
from asv.util import UserError, is_na

COLUMNS = ["benchmark", "case", "selector", "unit", "status", "value", "samples"]
"""`case` names the values of the parameters that tell cases apart, `selector` is the whole as ASV writes it;
`status` is ok, unavailable or failed; `value` is the median of `samples`, a list, of one where ASV keeps the
value alone."""

HISTORY = ["machine", "environment", "benchmark", "case", "unit", "commit", "date", "value"]
"""`date` is that of the commit, in milliseconds."""


@dataclass(frozen=True)
class Benchmark:
    """What benchmarks.json says of a benchmark; None for what it doesn't."""

    parameters: tuple[str, ...] | None
    unit: str | None
    version: str | None = None


@dataclass(frozen=True)
class StoredCase:
    """One combination of a benchmark's parameters.

    Attributes:
        benchmark: FILE.CLASS.METHOD.
        texts: the value of each parameter, as repr() has it.
        told: of those, the ones of parameters that have several values.
        status: ok, unavailable or failed.
        value: a number; not of a case that failed, for which it is None.
        samples: raw ones; the value alone where ASV kept no others, none of what is not ok.
    """

    benchmark: str
    texts: tuple[str, ...]
    told: tuple[str, ...]
    status: str
    value: float | None
    samples: list[float]

    def parameters(self, names: tuple[str, ...]) -> dict[str, Any]:
        """Name -> value of each parameter, which ASV keeps apart from the results.

        Raises:
            ValueError: there are not as many names as values.
        """
        return dict(zip(names, map(literal, self.texts), strict=True))

    @property
    def selector(self) -> str:
        """As ASV writes it, and takes it for --bench."""
        return f"{self.benchmark}({', '.join(self.texts)})"


def benchmarks(folder: Path) -> dict[str, Benchmark]:
    """What benchmarks.json says, by name.

    Raises:
        OSError, ValueError, AttributeError, RecursionError: it is missing, or no list of benchmarks.
    """
    known = json.loads((folder / "benchmarks.json").read_text(encoding="utf-8"))
    found = {}
    for name, of in known.items():
        if isinstance(of, dict):
            names = of.get("param_names")
            parameters = tuple(map(str, names)) if isinstance(names, list) else None
            found[name] = Benchmark(parameters, of.get("unit"), of.get("version"))
    return found


def cases(results: Results, benchmark: str) -> Iterator[StoredCase]:
    """Every case of a benchmark, in ASV's order.

    Raises:
        ValueError: a value is no number, or there are not as many as there are cases.
    """
    choices = results.get_result_params(benchmark)
    values = results.get_result_value(benchmark, choices)
    samples = results.get_result_samples(benchmark, choices)
    for texts, value, own in zip(product(*choices), values, samples, strict=True):
        if value is not None and not isinstance(value, int | float):
            raise ValueError(f"{value!r} is no number")
        status = "failed" if value is None else "unavailable" if is_na(value) else "ok"
        kept: list[float] = [] if value is None or status != "ok" else list(own or [value])
        # A parameter with one value for all cases tells none apart
        told = tuple(text for text, choice in zip(texts, choices, strict=True) if len(choice) > 1)
        yield StoredCase(benchmark, texts, told, status, value, kept)


def over_commits(folder: Path) -> pd.DataFrame:
    """What ASV stored of all commits, a row per case with a figure, by the date of the commit; `HISTORY`.

    Results of another version of a benchmark are left out, as ASV does.

    Args:
        folder: ASV's results_dir; no rows where it holds none.
    """
    try:
        known: Mapping[str, Benchmark] = benchmarks(folder)
    except (OSError, ValueError):
        known = {}
    rows = []
    for path in sorted(folder.glob("*/*-*.json")):
        try:
            results = Results.load(str(path), path.parent.name)
            for name in sorted(set(results.get_all_result_keys()) & set(known)):
                benchmark = known[name]
                if results.benchmark_version.get(name) != benchmark.version:
                    continue
                of = (path.parent.name, results.env_name, name)
                for case in cases(results, name):
                    if case.status == "ok":
                        told = ", ".join(text.strip("'") for text in case.told)
                        measured = (results.commit_hash, results.date, case.value)
                        rows.append((*of, told, benchmark.unit, *measured))
        except (UserError, ValueError, KeyError, TypeError, AttributeError):
            continue  # damaged: the report names it
    found = pd.DataFrame(rows, columns=HISTORY)
    return found.sort_values(["date", "commit"], kind="stable", ignore_index=True)


def literal(text: Any) -> Any:
    """What ASV wrote by repr(); the text itself where it is none."""
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return text
