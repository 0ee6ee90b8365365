# Writes logs of made-up builds into logs/, and what was planted in them into planted.tsv: pattern, file, line.
# usage: sh generate.sh [SEED] [BUILDS]
set -eu
cd "$(dirname "$0")"
rm -rf logs && mkdir logs
awk -v seed="${1:-1}" -v builds="${2:-300}" '
# The minimal standard generator of Park and Miller (1988) with its later multiplier: the same in every awk.
function draw(n) { state = (state * 48271) % 2147483647; return state % n }
function put(text) { line++; print text > file }
function plant(name, text) { put(text); print name "\t" file "\t" line > "planted.tsv" }
BEGIN {
    state = seed * 7919 + 1
    crates = split("ledger sandbox report search wire trainer types stats", crate, " ")
    for (build = 1; build <= builds; build++) {
        file = sprintf("logs/%04d.log", build); line = 0
        put("build " build " of branch topic-" draw(40) " on runner-" draw(6))
        count = 6 + draw(10)
        for (step = 0; step < count; step++)
            put("   Compiling " crate[1 + draw(crates)] " v0." draw(9) "." draw(20))
        kind = draw(100)
        if (kind < 8) {
            put("    Linking " crate[1 + draw(crates)])
            plant("disk", "error: failed to write /build/target/" draw(9999) ".o: No space left on device (os error 28)")
            put("build failed after " 20 + draw(90) " s")
        } else if (kind < 14) {
            put("running " 40 + draw(300) " tests")
            plant("timeout", "FAILED net::reconnect: timed out after 60 s waiting for port " 20000 + draw(20000))
            put("test result: FAILED. " 40 + draw(300) " passed; 1 failed")
        } else if (kind < 21) {
            plant("registry", "error: failed to fetch index from mirror-" draw(4) ": HTTP 503 Service Unavailable")
            put("build failed after " 2 + draw(9) " s")
        } else if (kind < 25) {
            put("error[E0432]: see below")
            plant("lockfile", "error: the lock file needs to be updated but --locked was passed")
        } else if (build == int(builds / 2)) {
            # Once only: no pattern.
            put("error: internal compiler panic in pass " draw(90))
        } else {
            put("    Finished in " 30 + draw(200) " s; warnings: " draw(5))
            put("test result: ok. " 40 + draw(300) " passed; 0 failed; log of errors is empty")
        }
        close(file)
    }
}'
