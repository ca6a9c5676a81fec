# Loss takes the share of packets that it should, in the direction that it should, and the same with the same seed.
. "$(dirname "$0")/support.sh"

fast="--up 100Mbit/s --down 100Mbit/s --rtt 2ms --queue 4MB"
probed "$fast --loss 20%,0%" flood 1000 100
between "lost up" 150 250 "$(stat up lost)"
equal "lost down" 0 "$(stat down lost)"
equal "came back" "$((1000 - $(stat up lost)))" "$(cat out)"
lost=$(stat up lost)
probed "$fast --loss 20%,0%" flood 1000 100
equal "lost with the same seed" "$lost" "$(stat up lost)"
probed "$fast --loss 20%,0% --seed 7" flood 1000 100
between "lost with another seed" 150 250 "$(stat up lost)"
probed "$fast --loss 0,0.1" flood 1000 100
equal "lost up" 0 "$(stat up lost)"
between "lost down" 60 140 "$(stat down lost)"

finish
