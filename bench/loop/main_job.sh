#!/bin/sh
# The main job on a fresh machine: a new clone with an empty target directory, built and run once.
# Usage: bench/loop/main_job.sh [COMMIT]. Only what is committed is measured; cargo's downloads are used if they are there.
set -eu

limit_s=360          # build and study together
first_limit_s=10     # the first measured result, after the build

repository=$(cd "$(dirname "$0")/../.." && pwd)
commit=$(git -C "$repository" rev-parse --verify "${1:-HEAD}^{commit}")
place=$(mktemp -d)
trap 'rm -rf "$place"' EXIT
trap 'exit 130' INT TERM

now() { date +%s.%N; }
# since BEGUN [END]: seconds with one digit.
since() { awk -v begun="$1" -v end="${2:-$(now)}" 'BEGIN { printf "%.1f", end - begun }'; }
ratio() { awk -v value="$1" -v limit="$2" 'BEGIN { printf "%.2f", value / limit }'; }

# Shows all lines; writes the time of the first that tells of a measured run to the file "first".
watch() {
    while IFS= read -r line; do
        printf '%s\n' "$line"
        case $line in
            *"s   r"[0-9]*" val_bpb "[0-9]*) [ -s "$1/first" ] || now > "$1/first" ;;
        esac
    done
}

echo "commit $(git -C "$repository" rev-parse --short "$commit"), $(nproc) cores, load $(cut -d' ' -f1-3 /proc/loadavg)"
git clone -q --no-hardlinks "$repository" "$place/clone"
cd "$place/clone"
git checkout -q --detach "$commit"
unset CARGO_TARGET_DIR LYCEUM_LAB

begun=$(now)
cargo build --release 2> "$place/build.log" || { tail -n 40 "$place/build.log" >&2; exit 1; }
built=$(now)
build_s=$(since "$begun" "$built")

began=$(now)
{ cargo run --release -- run studies/tiny-lm 2>&1 && echo 0 > "$place/status" || echo $? > "$place/status"; } \
    | watch "$place" | tee "$place/run.log"
ended=$(now)

study_s=$(since "$built" "$ended")
total_s=$(since "$begun" "$ended")
echo
echo "build:          $build_s s"
if [ -s "$place/first" ]; then
    first_s=$(since "$began" "$(cat "$place/first")")
    echo "first result:   $first_s s after the build, limit $first_limit_s s, ratio $(ratio "$first_s" "$first_limit_s")"
else
    echo "first result:   none"
fi
echo "study:          $study_s s, exit code $(cat "$place/status")"
echo "build and study: $total_s s, limit $limit_s s, ratio $(ratio "$total_s" "$limit_s")"
echo "verdict:        $(grep -m 1 '^tiny-lm: ' "$place/run.log" || echo none)"
echo "load at the end: $(cut -d' ' -f1-3 /proc/loadavg)"
[ "$(cat "$place/status")" = 0 ] && [ -s "$place/first" ]
