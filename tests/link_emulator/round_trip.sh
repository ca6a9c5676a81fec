# A small packet takes the round trip, give or take the jitter. The median may be late by 2 ms: other tests run beside it.
. "$(dirname "$0")/support.sh"

for rtt in 0 10 60; do
    probed "--up 100Mbit/s --down 100Mbit/s --rtt ${rtt}ms" ping 21
    between "median round trip at $rtt ms" "$rtt" "$((rtt + 2))" "$(median <out)"
done

# At 320 kbit/s, the 32 bytes of each packet take 0.8 ms each way.
probed "--up 320kbit/s --down 320kbit/s --rtt 10ms" ping 21
between "median round trip at 320 kbit/s" 11.6 13.6 "$(median <out)"

probed "--up 100Mbit/s --down 100Mbit/s --rtt 40ms --jitter 10ms,0ms" ping 60
between "least round trip with jitter" 30 34 "$(sort -n out | head -n 1)"
between "upper quartile of round trips with jitter" 42 50 "$(sort -n out | tail -n 15 | head -n 1)"

finish
