#!/usr/bin/env bash
# What mltop costs: CPU time, memory, bytes to the terminal and time to the first frame, beside htop,
# btop, top and a bare loop that only reads the same files. All of them run at once, over the same
# box: 300 idle processes, a PyTorch trainer with 8 workers, and 8 stand-in GPUs. With `--scenes
# sleep,spin` mltop alone over 16 whose calls take the time that they take on a real driver, asleep or
# awake, each by the times that others published and by those of an H200.
#
# usage: tests/bench/cost.sh [--minutes N]      N for each of the two scenes, quiet and noisy
set -euo pipefail
cd "$(dirname "$0")/../.."

cargo build --release --locked --quiet
made=target/bench
mkdir -p "$made"
cc -O2 -Wall -o "$made/bare" tests/bench/bare.c
tests/standin/build full "$made/full" 3

exec python3 tests/bench/cost.py --mltop target/release/mltop --made "$made" "$@"
