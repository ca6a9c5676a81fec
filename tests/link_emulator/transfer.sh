# A transfer over TCP takes its bits, with 52 B of headers with each segment of 1448 B, over the rate, and three round
# trips around that; each way at its own rate.
. "$(dirname "$0")/support.sh"

# takes WAY BYTES RATE_IN_BITS RTT_IN_S: within 4 %, and some 30 ms for two processes to wake up.
takes() {
    local expected
    expected=$(awk -v n="$2" -v r="$3" -v rtt="$4" 'BEGIN { print n * 1500 / 1448 * 8 / r + 3 * rtt }')
    between "seconds for $2 B $1 at $3 bit/s" "$(awk "BEGIN { print $expected * 0.96 }")" \
        "$(awk "BEGIN { print $expected * 1.04 + 0.03 }")" "$(cat out)"
}

link_of_two_rates="--up 5Mbit/s --down 20Mbit/s --rtt 10ms"
probed "$link_of_two_rates" up 1500000
takes up 1500000 5e6 0.01
equal "dropped up" 0 "$(stat up dropped)"
equal "refused" 0 "$(stat up refused)"
probed "$link_of_two_rates" down 6000000
takes down 6000000 20e6 0.01
equal "packets that came in at the edge but are not accounted for" 0 \
    "$(($(stat down packets) - $(stat down carried) - $(stat down lost) - $(stat down dropped) > 2))"
probed "--up 100Mbit/s --down 10Mbit/s --rtt 4ms" up 20000000
takes up 20000000 100e6 0.004

finish
