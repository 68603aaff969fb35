#!/usr/bin/env bash
# All that is to be known about a GPU, in ten minutes: tests, attention's kernel, engine and scoring by preset and batch
# with their memory, a training step, and, where slides can be read, a slide from end to end.
#
#     benchmarks/gpu.sh [--dry-run] [FILE]
#
# Results are JSON rows in FILE, by default benchmarks/results/gpu.json. A part that fails or takes too long has a row
# that says so, and the others go on. --dry-run does the same on a CPU with the smallest sizes.
#
# Needed: torch and what pyproject.toml asks for. Without OpenSlide, Zarr and Dask the last part is left out, unless
# WHEELS (by default wheels/) is a folder with their wheels: nothing is downloaded. PYTHON is the interpreter, and
# PATIENCE multiplies the time that each part may take (10 in a dry run).
set -uo pipefail
cd "$(dirname "$0")/.."
python=${PYTHON:-python3}
export PYTHONPATH="$PWD:$PWD/benchmarks${PYTHONPATH:+:$PYTHONPATH}"

if [ "${1:-}" = --dry-run ]; then
    shift
    device=cpu patience=${PATIENCE:-10} file=${1:-build/gpu-dry-run.json}
    sizes=(--config demo --tile 64 -b 2 --device cpu)
    attention=(--runs 1) scoring=(--batches 1) step=(--config demo --runs 1 --eager)
    end=(--config demo --tile 64 --side 1024 --runs 1)
else
    device=cuda patience=${PATIENCE:-1} file=${1:-benchmarks/results/gpu.json}
    sizes=(--device cuda)
    attention=(--runs 20) scoring=(-b 16 -b 64 --batches 20) step=(--config haloae --runs 3)
    end=(--config haloae-small --side 16384 --runs 1 --readers "$(nproc)")
fi
mkdir -p "$(dirname "$file")"
rows=$(mktemp)
said=$(mktemp)
trap 'rm -f "$rows" "$said"' EXIT

# part NAME SECONDS COMMAND...: keep the JSON rows that the command prints, or one that says why there are none.
part() {
    local name=$1 seconds=$2 code=0
    shift 2
    echo "$name ..." >&2
    timeout "$((seconds * patience))" "$@" >"$said" 2>&1 || code=$?
    grep '^{' "$said" >>"$rows" || true
    if [ "$code" != 0 ]; then
        "$python" -c 'import json, sys
print(json.dumps({"benchmark": sys.argv[1], "failed": int(sys.argv[2]), "said": sys.stdin.read()[-2000:]}))' \
            "$name" "$code" <"$said" >>"$rows"
        tail -n 5 "$said" >&2
    fi
}

if [ -d "${WHEELS:-wheels}" ]; then
    part wheels 60 "$python" -m pip install --quiet --no-index --find-links "${WHEELS:-wheels}" "${WHEELS:-wheels}"/*.whl
fi
part tests 150 "$python" benchmarks/told_tests.py tests/engine/test_gpu.py tests/engine/test_replay.py
part attention 60 "$python" benchmarks/bench_attention.py "${sizes[@]}" "${attention[@]}"
part device 180 "$python" benchmarks/bench_device.py "${sizes[@]}" "${scoring[@]}"
part step 90 "$python" benchmarks/train_step.py --device "$device" "${step[@]}"
if "$python" -c 'import openslide, zarr, dask' 2>/dev/null; then
    part end-to-end 120 "$python" benchmarks/bench_end_to_end.py --device "$device" "${end[@]}"
fi

"$python" -c 'import json, sys
rows = [json.loads(line) for line in open(sys.argv[1], encoding="utf-8")]
print(json.dumps(rows, indent=1))
sys.exit(any("failed" in row for row in rows))' "$rows" >"$file"
code=$?
echo "$file" >&2
exit "$code"
