#!/usr/bin/env bash
# What a cluster of three processes on this machine costs when nobody asks it for anything, and how
# long it takes to start and to start again:
#   host-native/norikv-bench/idle-cluster.sh target/release/norikv [GROUPS] [SECONDS]
set -euo pipefail
norikv=$1 groups=${2:-1024} seconds=${3:-30}
folder=$(mktemp -d) dev=
trap 'if [ -n "$dev" ]; then kill "$dev"; wait "$dev" || true; fi; rm -rf "$folder"' EXIT

start() {
    local begin
    begin=$(date +%s%N)
    : >"$folder/out"
    "$norikv" dev --groups "$groups" --data-dir "$folder/data" --output json >"$folder/out" &
    dev=$!
    until grep -q '"ready":true' "$folder/out"; do
        kill -0 "$dev" || { cat "$folder/out"; exit 1; }
        sleep 0.01
    done
    echo "$1: ready after $((($(date +%s%N) - begin) / 1000000)) ms"
}

pids() { sed -n 's/.*"pid":\([0-9]*\).*/\1/p' "$folder/out"; }
# Ticks of the processor that each node has used.
ticks() { for pid in $(pids); do awk '{print $14 + $15}' "/proc/$pid/stat"; done; }
rss() { for pid in $(pids); do awk '/VmRSS/ {print $2}' "/proc/$pid/status"; done; }

start "first start, $groups groups"
norikv_() { "$norikv" --data-dir "$folder/data" "$@"; }
begin=$(date +%s%N)
for key in $(seq 1 200); do printf '{"key":"key-%s","value":"v"}\n' "$key"; done >"$folder/keys"
norikv_ import "$folder/keys" --format ndjson >/dev/null
echo "200 keys written in $((($(date +%s%N) - begin) / 1000000)) ms"
norikv_ cluster status
sleep 6
before=($(ticks))
sleep "$seconds"
after=($(ticks))
for node in "${!before[@]}"; do
    echo "node $((node + 1)), idle: $(awk "BEGIN {print (${after[node]} - ${before[node]}) / $seconds}") % of a core"
done
echo "resident KiB:" $(rss)
kill "$dev"; wait "$dev" || true
start "after an orderly end"
kill -9 $(pids) "$dev"
wait "$dev" 2>/dev/null || true
for pid in $(pids); do
    while kill -0 "$pid" 2>/dev/null; do sleep 0.01; done
done
start "after kill -9 of all"
