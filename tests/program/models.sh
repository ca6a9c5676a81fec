# qlroute models: the models whose abilities the weights hold.
. "$(dirname "$0")/support.sh"

runs 0 -- models
equal "complaints" "" "$(cat err)"
cp out names
[ "$(wc -l <names)" -ge 10 ] || wrong "known models" "ten or more" "$(wc -l <names)"
equal "names that occur twice" "" "$(sort names | uniq -d)"
equal "empty names" 0 "$(grep -c '^$' names)"
runs 0 -- models --json
equal "lines of another form" "" \
    "$(grep -Evn '^\{"name":"[^"]+","weights":\[-?[0-9][-+.e0-9]*(,-?[0-9][-+.e0-9]*)*\],"bias":-?[0-9][-+.e0-9]*\}$' out)"
values name >json_names
cmp -s names json_names || wrong "--json" "the same names" "$(shortened json_names)"
equal "lengths of weights" 1 "$(sed 's/.*weights":\[//; s/\].*//; s/[^,]//g' out | sort -u | wc -l)"
fails_with 2 'not expected: more' -- models more

finish
