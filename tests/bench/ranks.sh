#!/usr/bin/env bash
# What all of mltop costs beside jobs of 1 and of 8 ranks with 8 workers each, whose loops wait for data
# and whose loops do not: the share of a core, and of it that of each thread.
#
# usage: tests/bench/ranks.sh [--minutes N] [--jobs 1x8,8x8] [--loads waiting,ahead]
set -euo pipefail
cd "$(dirname "$0")/../.."

cargo build --release --locked --quiet
exec python3 tests/bench/ranks.py --mltop target/release/mltop "$@"
