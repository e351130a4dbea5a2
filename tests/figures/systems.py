"""What the documentation says of a GPU and of the soak."""

from __future__ import annotations

from collections.abc import Iterator

from tests.figures.wording import Result


def hundreds(value: float) -> str:
    """81730.4 is 81,700."""
    return f"{round(value, -2):,.0f}"


def short(value: float) -> str:
    return f"{value:.1f}" if value < 100 else f"{value:.0f}"


def gpu(result: Result) -> Iterator[str]:
    steps = result["steps"]
    lora, trl, generate = steps["lora"]["best"], steps["trl"], steps["generate"]
    best = trl["trl"][trl["fastest_trl"]]["tokens_per_second"]
    memory = lora["memory_estimate"]["peak"] / 1e9
    mfu = 100 * lora["mfu_of_measured_peak"]
    yield f"**{hundreds(lora['tokens_per_second'])} tokens/s**, {mfu:.0f} % MFU, {memory:.1f} GB"
    yield f"{hundreds(best)} tokens/s: ours is **{trl['times_trl']:.2f} times** as fast"
    speed = {name: short(one["prompts_per_second"]) for name, one in generate["contenders"].items()}
    yield f"**{speed['ours (torch), batches of 256']} prompts/s**"
    plain = "; ".join(
        speed[name] for name in ("plain, batches of 8", "plain, batches of 64", "generate_batch")
    )
    times = ", ".join(
        f"{value:.1f}" if value < 10 else f"{value:.0f}" for value in generate["times"].values()
    )
    yield f"{plain} prompts/s: ours has {times} times as many"
    choices = steps["choices"]
    yield f"{choices['ours']['questions_per_second']:.0f} questions/s, {choices['times_plain']:.1f} times"
    yield f"{hundreds(steps['qlora']['qlora']['tokens_per_second'])} tokens/s, 84 GB"
    small = [steps["small"][name] for name in ("lora", "lora with dropout", "full")]
    rates = ", ".join(hundreds(one["tokens_per_second"]) for one in small)
    seconds = ", ".join(f"{one['median_step_seconds']:.2f}" for one in small)
    yield f"{rates} tokens/s; {seconds} s a step"
    yield f"{steps['loop']['wall_seconds']:.0f} s, most of them"
    full, durability = steps["full"]["full"], steps["durability"]
    memory, mfu = full["memory_estimate"]["peak"] / 1e9, 100 * full["mfu_of_measured_peak"]
    yield f"{hundreds(full['tokens_per_second'])} tokens/s, {mfu:.0f} % MFU, {memory:.1f} GB"
    yield f"{full['memory_estimate']['training'] / 1e9:.1f}."
    prefix = ", ".join(f"{steps['prefix'][share]['times_padded']:.2f}" for share in ("0.25", "0.5", "0.75"))
    yield f"{prefix} times as fast"
    equal = durability["equal_runs"]
    ordered, free = (hundreds(equal[f"tokens_per_second{order}"]) for order in ("", "_in_any_order"))
    yield f"at {ordered} tokens/s; {free} without"
    yield f"step {durability['kill']['killed_at_step']} of {durability['kill']['steps']}"
    yield f"from step {durability['kill']['resumed_from'][0]} to the same losses"


def gpu_short(result: Result) -> Iterator[str]:
    steps = result["steps"]
    yield f"{hundreds(steps['lora']['best']['tokens_per_second'])} tokens/s"
    yield f"{steps['trl']['times_trl']:.2f} times TRL's best"


def soak(result: Result) -> Iterator[str]:
    good = result["calls_by_what_was_done"]["ok"]
    runs, kills, disks = result["runs"], result["kills"], result["full_disks"]
    yield f"{runs} runs, {result['calls']:,} teacher calls of which {result['calls'] - good:,} misbehaved"
    yield f"{kills['service']} kills of the service and {kills['worker']} of workers, {disks} full disks"
    first, last = (result["last_life"][when] for when in ("first", "last"))
    yield f"from {first['mb']:.0f} to {last['mb']:.0f} MB, its open files from {first['files']:.0f} to {last['files']:.0f}"


def short_soak(result: Result) -> Iterator[str]:
    kills, disks, clients = result["kills"]["worker"], result["full_disks"], result["options"]["clients"]
    yield f"({result['runs']} runs, {kills} kills of workers, {disks} full disks, {clients} clients)"
    yield f"no answer of the {result['recorded_answers']} that were recorded"
