#!/usr/bin/env bash
# All that is to be known about a GPU, within ten minutes: attention's kernel, engine and scoring by preset and batch with
# their memory, a training step, the tests that need a GPU, and a slide from end to end.
#
#     benchmarks/gpu.sh [--dry-run] [FILE]
#
# FILE, by default benchmarks/results/gpu.json, has each row as soon as it is measured. A part that fails or takes too
# long has a row that says so, the others go on, and the exit status is 1. --dry-run does the same on a CPU with the
# smallest sizes, into build/gpu-dry-run.json.
#
# Needed: torch and what pyproject.toml asks for. PYTHON is the interpreter; by default .venv's, or python3. What a
# machine without internet lacks comes from the wheels in WHEELS (by default wheels/), which are unpacked for this run
# only. benchmarks/gpu-wheels.txt says what to carry, and how it is downloaded.
set -euo pipefail
cd "$(dirname "$0")/.."
own=.venv/bin/python
[ -x "$own" ] || own=python3
export PYTHONPATH="$PWD:$PWD/benchmarks${PYTHONPATH:+:$PYTHONPATH}"
exec "${PYTHON:-$own}" benchmarks/gpu_parts.py "$@"
