#!/usr/bin/env bash
# What a look into a trainer's interpreter costs: its stack and one loader's depth, one look after the
# other and 50 times a second, on every Python of this machine. Median of each.
set -euo pipefail
cd "$(dirname "$0")/../.."

exec cargo test --release --locked --quiet --test python what_a_look_costs -- --ignored --nocapture
