# Compares the causes that were found with what generate.sh planted. Reads planted.tsv and the result of the phase `patterns`.
set -eu
# One cause a line, then the places that it cites.
tr -d '\n' < /step/results/patterns/1 | sed 's/{"evidence"/\n&/g' | grep '"evidence"' > /tmp/causes
awk -F '\t' '
FNR == NR { planted[$2 ":" $3] = $1; count[$1]++; next }
{
    causes++
    delete seen
    rest = $0
    while (match(rest, /"file":"[^"]*","line":[0-9]+/)) {
        place = substr(rest, RSTART + 8, RLENGTH - 8)
        sub(/","line":/, ":", place)
        name = place in planted ? planted[place] : "(not planted)"
        seen[name]++
        rest = substr(rest, RSTART + RLENGTH)
    }
    best = ""
    for (name in seen) if (best == "" || seen[name] > seen[best]) best = name
    for (name in seen) if (name != best) wrong += seen[name]
    if (best == "(not planted)") wrong += seen[best]
    else if (seen[best] > found[best]) found[best] = seen[best]
}
END {
    for (name in count) {
        all++
        hit += (found[name] == count[name])
        printf "%s: %d of %d builds\n", name, found[name], count[name] | "sort"
    }
    close("sort")
    printf "%d of %d planted patterns found whole, in %d causes; %d citations elsewhere\n", hit, all, causes, wrong
}' planted.tsv /tmp/causes
