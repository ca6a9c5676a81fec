# A queue holds what it should, as a size or as a time at the rate, and drops the rest. 972 bytes of payload are packets
# of 1000 B, 8 ms at 1 Mbit/s.
. "$(dirname "$0")/support.sh"

probed "--up 1Mbit/s --down 100Mbit/s --rtt 2ms --queue 50kB,1MB" flood 100 972
between "carried with 50 kB" 50 52 "$(stat up carried)"
equal "dropped and carried" 100 "$(($(stat up dropped) + $(stat up carried)))"
equal "came back" "$(stat up carried)" "$(cat out)"
between "the most that a packet waited" 0.36 0.42 "$(stat up queue_delay_p95_s)"
equal "dropped down" 0 "$(stat down dropped)"
probed "--up 1Mbit/s --down 100Mbit/s --rtt 2ms --queue 200ms" flood 100 972
between "carried with 200 ms" 25 27 "$(stat up carried)"

finish
