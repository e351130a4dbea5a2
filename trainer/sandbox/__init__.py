"""Runs generated programs and says whether they pass their tests; see docs/concepts/sandbox.md.

A program runs alone in a confined process (`program_runner`). Its tests run in another process (`test_runner`) that
never loads the program. Each call crosses to the program's process as plain values, and its result comes back as plain
values. The verdict is computed from those. Start at `execution.run_test`. The modules that run inside a sandbox
(`server`, `program_runner`, `test_runner`, `confinement`, `channel`, `values`) use only the standard library, so this
file imports nothing.
"""
