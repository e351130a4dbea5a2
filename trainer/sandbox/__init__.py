"""Runs generated programs and says whether they pass their tests; see docs/sandbox.md.

A program runs alone in a confined process (`candidate`). Its tests run in another one (`examiner`), which never
loads the program: each call goes to the candidate as plain values and comes back as plain values, and the verdict
is computed from those. `examination.examine` is the way in. The modules that run inside (`server`, `candidate`,
`examiner`, `confinement`, `channel`, `values`) use the standard library alone, so this file imports nothing.
"""
