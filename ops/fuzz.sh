#!/usr/bin/env bash
# Coverage-guided fuzzing of every parser of outside bytes, with Address Sanitizer.
# FUZZ_SECONDS (3600) is shared by all targets; FUZZ_TARGETS names some of them; FUZZ_KEEP=1 writes what reached new code
# into Tests/Fuzz/corpus. What breaks a rule ends the run with exit 1 and stays in .build-fuzz/found/.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${FUZZ_SECONDS:-3600}
work=.build-fuzz/work
found=.build-fuzz/found

# libFuzzer's loop without its main(), which the package manager's own would collide with.
runtime=$(swiftc -print-target-info | sed -n 's/.*"runtimeResourcePath": "\(.*\)".*/\1/p')
loop="$runtime/clang/lib/linux/libclang_rt.fuzzer_no_main-$(uname -m).a"
[ -f "$loop" ] || { echo "this compiler comes without libFuzzer: $loop is missing" >&2; exit 1; }
[ "${FUZZ_BUILD:-1}" = 0 ] || SLIPWAY_FUZZ=1 bash ops/timed.sh "fuzzing build" swift build --build-path .build-fuzz --product slipway-fuzz \
    --sanitize=address -Xswiftc -sanitize-coverage=edge,inline-8bit-counters,pc-table,trace-cmp -Xswiftc -O \
    -Xswiftc -use-ld=lld -Xlinker "$loop" -Xlinker -lstdc++
[ "$seconds" -gt 0 ] || exit 0

fuzz=.build-fuzz/debug/slipway-fuzz
# Memory that Swift's runtime keeps for good is no leak of ours.
asan=detect_leaks=0:abort_on_error=1:allocator_may_return_null=1
# Without the environment: libFuzzer learns words from what is compared, and the corpus is for everybody to read.
alone() { env -i PATH="$PATH" ASAN_OPTIONS="$asan" SWIFT_BACKTRACE=enable=no nice -n 19 "$@"; }
targets=${FUZZ_TARGETS:-$($fuzz list)}
each=$((seconds / $(wc -w <<<"$targets")))
[ "$each" -gt 0 ] || each=1
mkdir -p "$work" "$found"
broken=0
for target in $targets; do
    rm -rf "${work:?}/$target.kept" "$work/$target.least"
    $fuzz unpack "$target" "$work/$target.kept"
    mkdir -p "$work/$target"
    echo "fuzz $target: $each s"
    if ! alone $fuzz "$target" "$work/$target" "$work/$target.kept" -dict="$work/$target.kept.dict" -max_total_time="$each" \
        -timeout=10 -rss_limit_mb=2048 -max_len=4096 -artifact_prefix="$found/$target-" -print_final_stats=1 >"$work/$target.log" 2>&1; then
        broken=1
        echo "fuzz $target: a rule is broken, or memory; the input is in $found/" >&2
        grep -aE "broken rule|ERROR|Fatal error|Test unit written|SUMMARY" "$work/$target.log" >&2 || tail -5 "$work/$target.log" >&2
    fi
    grep -aE "stat::number_of_executed_units|stat::average_exec_per_sec" "$work/$target.log" || true
    if [ -n "${FUZZ_KEEP:-}" ]; then
        mkdir -p "$work/$target.least"
        alone $fuzz "$target" -set_cover_merge=1 "$work/$target.least" "$work/$target.kept" "$work/$target" >"$work/$target.merge.log" 2>&1
        $fuzz pack "$target" "$work/$target.least"
    fi
done
exit $broken
