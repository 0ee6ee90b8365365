# Puts the sections together and counts the grades before and after the revision. The count of long sentences is no model's.
set -eu
cd /step/results
for section in $(ls revise | sort -n); do
    cat "revise/$section"
    echo
done
count() { cat "$1"/* | grep -o '"result":"met"' | wc -l | tr -d ' '; }
all() { cat "$1"/* | grep -o '"principle":' | wc -l | tr -d ' '; }
echo "grades: $(count grade) of $(all grade) met before the revision, $(count regrade) of $(all regrade) after"
echo "sentences of more than 30 words: $(cat revise/* | tr '\n' ' ' | tr '.!?' '\n\n\n' | awk 'NF > 30' | wc -l | tr -d ' ')"
