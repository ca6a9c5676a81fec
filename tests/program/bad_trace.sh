# Traces that are none: the message names the file, the line and the column; nothing is routed.
. "$(dirname "$0")/support.sh"

head='t_s,uplink_bps,downlink_bps,rtt_s,snr_db\n'

# What the file says.
trace_fails '' 'line 1: expected the header t_s,uplink_bps,downlink_bps,rtt_s,snr_db, found an empty file'
trace_fails "$head" 'line 2, column t_s: expected at least one sample below the header'
trace_fails '0,1,1,,\n' 'line 1, column "0": expected one of t_s,uplink_bps,downlink_bps,rtt_s,snr_db'
trace_fails 't_s,uplink_bps,downlink_bps,rtt_s\n0,1,1,\n' 'line 1, column snr_db: expected it in the header'
trace_fails 't_s,t_s,uplink_bps,downlink_bps,rtt_s,snr_db\n' 'line 1, column t_s: expected each column once'
trace_fails "${head}0,1,1,,\n1,1\n" \
    'line 3, column downlink_bps: expected a field, found the end of the line after 2 of 5'
trace_fails "${head}0,1,1,,,\n" 'line 2, column snr_db: expected the end of the line after it, found 6 fields'
trace_fails "${head}0,1,1,,\n\n1,1,1,,\n" 'line 3, column'
trace_fails "${head},1,1,,\n" 'line 2, column t_s: expected seconds'
trace_fails "${head}1,1,1,,\n0,1,1,,\n" \
    'line 3, column t_s: expected a time not before that of the line above, found "0"'
trace_fails "${head}0,fast,1,,\n" 'line 2, column uplink_bps: expected a finite rate in bit/s, at least 0'
trace_fails "${head}0,-1,1,,\n" 'line 2, column uplink_bps: expected a finite rate in bit/s, at least 0'
trace_fails "${head}0,nan,1,,\n" 'line 2, column uplink_bps: expected a finite rate'
trace_fails "${head}0,1,1e999,,\n" 'line 2, column downlink_bps: expected a finite rate'
trace_fails "${head}0,1,1,-0.1,\n" 'line 2, column rtt_s: expected finite seconds, at least 0'
trace_fails "${head}0,1,1,38 ms,\n" 'line 2, column rtt_s: expected finite seconds, at least 0'
trace_fails "${head}0,1,1,,4000\n" 'line 2, column snr_db: expected decibels between -3000 and 3000'
trace_fails '{"t_s":0}\n' 'line 1, column'
trace_fails "${head}0,1,1,,\n1e-300,1,1,,\n" 'column t_s: expected at least 10 ms in all'
trace_fails "${head}0,1,1,,\n1,1,1,1e308,\n" 'column rtt_s: expected at most 1e6 s'

# The file itself.
fails_with 2 'cannot read "none.csv": No such file or directory' -- route --trace none.csv two.jsonl
mkdir folder
fails_with 2 'cannot read "folder": it is a directory; expected a file' -- route --trace folder two.jsonl
fails_with 2 '--trace: expected a file, got an empty name' -- route --trace '' two.jsonl
head -c 5000 "$demo/train.csv.gz" >cut.csv.gz
fails_with 2 'is it a complete gzip file?' -- route --trace cut.csv.gz --json two.jsonl
gzip -c "$demo/train.csv.gz" >twice.csv.gz
fails_with 2 'twice.csv.gz: line 1: expected the header' -- route --trace twice.csv.gz --json two.jsonl
if [ "$(id -u)" != 0 ]; then  # root reads everything
    printf "${head}0,1,1,,\n" >secret.csv
    chmod 000 secret.csv
    fails_with 2 'cannot read "secret.csv": Permission denied' -- route --trace secret.csv two.jsonl
fi

# What is strange and good: other columns' order, CRLF, gaps, one sample, outages without end, a clock of any origin.
good() {
    printf "$2" >trace.csv
    runs 0 -- route --trace trace.csv --compare --json "$demo/dialogues.jsonl"
    has_turns 107 "$1"
    equal "costs that are not finite, $1" 0 "$(not_finite)"
}
good 'another order, CRLF' 'snr_db,rtt_s,t_s,downlink_bps,uplink_bps\r\n,0.04,0,9e6,9e6\r\n,,5,9e6,9e6\r\n'
good 'one sample' "${head}0,1e6,1e6,0.05,\n"
good 'nothing but times' "${head}0,,,,\n1,,,,\n"
good 'an outage without end' "${head}0,0,0,,\n1,0,0,,\n"
good 'several samples of one time' "${head}0,1e6,1e6,,\n0,2e6,1e6,,\n0,3e6,1e6,,\n"
good 'a clock that starts in the past' "${head}-1e12,1e6,1e6,,\n-999999999990,2e6,1e6,,\n"
good 'rates beyond all bounds' "${head}0,1e308,1e308,0,3000\n1,1e-300,1e-300,1e6,-3000\n"
good 'a thousand loops a turn' "${head}0,1e6,1e6,,\n0.01,2e6,1e6,,\n"

# A long wait on a short trace ends, and the estimate is that of the last complete sample.
printf "${head}0,1000000,1e6,0.05,\n0.01,2000000,1e6,0.05,\n" >trace.csv
echo '{"turn_interval":"24 h"}' >day.json
runs 0 -- route --config day.json --trace trace.csv two.jsonl
equal "turns, one a day" 3 "$(grep -Ec '^ *(0|86400|172800) s ' out)"

# A sample counts when it is over: at 0 s nothing is known but the configuration, at 30 s the first sample.
printf "${head}0,1000000,1e6,0.05,\n20,2000000,1e6,0.05,\n40,3000000,1e6,0.05,\n" >trace.csv
runs 0 -- route --trace trace.csv two.jsonl
equal "known uplink rates" "10 1 3" "$(sed -n 's/^ *[0-9]* s *\([0-9.]*\) Mbit.*/\1/p' out | in_one_line)"

finish
