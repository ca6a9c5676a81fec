# What is wrong is said with what to do, and nothing is left.
. "$(dirname "$0")/support.sh"
link_of_five="--up 5Mbit/s --down 5Mbit/s --rtt 10ms"

# fails_with "text in the message" ARGS...
fails_with() {
    local text=$1
    shift
    link "$@"
    equal "status of: $*" 125 $?
    grep -qF -e "$text" err || wrong "message of: $*" "$text" "$(cat err)"
    equal "stdout of: $*" "" "$(cat out)"
}

fails_with '--up: expected one; without it a --trace has to have measured that' --down 1Mbit/s --rtt 1ms -- true
fails_with '--rtt: expected one' --up 1Mbit/s --down 1Mbit/s -- true
fails_with '--up: expected a data rate such as "20 Mbit/s", got "5 ms"' --up "5 ms" --down 1Mbit/s --rtt 1ms -- true
fails_with '--up: expected 1 kbit/s to 10 Gbit/s, got "0 bit/s"' --up "0 bit/s" --down 1Mbit/s --rtt 1ms -- true
fails_with '--loss: expected 0 to 1, got "110%"' $link_of_five --loss 110% -- true
fails_with '--loss: expected a finite number such as "0.5", "5 %" or "12 dB", got ""' $link_of_five --loss 1%, -- true
fails_with '--queue: expected a time such as "100 ms" or a size such as "256 KiB", got "many"' $link_of_five --queue many -- true
fails_with 'would be under way; expected at most' --up 10Gbit/s --down 1Mbit/s --rtt 10s -- true
fails_with '--device-address: expected an IPv4 address such as 10.77.0.1, got "here"' $link_of_five --device-address here -- true
fails_with 'cannot read "none.csv"' --trace none.csv -- true
printf '%s\n' 't_s,uplink_bps,downlink_bps,rtt_s,snr_db' '0,0,1000000,0.01,' >never.csv
fails_with 'never.csv: its rate up is 0 in every sample' --trace never.csv -- true
printf '%s\n' 't_s,uplink_bps,downlink_bps,rtt_s,snr_db' '0,x,1000000,0.01,' >bad.csv
fails_with 'bad.csv: line 2, column uplink_bps' --trace bad.csv -- true
printf '%s\n' 't_s,uplink_bps,downlink_bps,rtt_s,snr_db' '0,1000000,,0.01,' >half.csv
fails_with '--down: expected one' --trace half.csv -- true
fails_with 'The following argument was not expected: true' $link_of_five true
fails_with 'cannot run "no-such-program" in' $link_of_five -- no-such-program
fails_with 'the edge command ended with status 3 before anything listened on 10.77.0.2:7077' $link_of_five \
    --edge-command 'exit 3' --wait-port 7077 -- echo ran
fails_with 'nothing listens on 10.77.0.2:7077 after 300 ms' $link_of_five --edge-command 'sleep 60' --wait-port 7077 \
    --wait-timeout 300ms -- echo ran
fails_with 'somebody does on 127.0.0.1, which the device cannot reach' $link_of_five --wait-timeout 2s --wait-port 7077 \
    --edge-command "QLROUTE_EDGE_ADDRESS=127.0.0.1 exec $python -B '$tests/probe.py' serve" -- echo ran
fails_with "there is no network namespace $device" $link_of_five --existing -- true
"$program" $link_of_five --device-namespace ../x -- true 2>err
equal "status of a name with a slash" 125 $?
grep -qF 'expected the name of a network namespace such as qlr-device, got "../x"' err ||
    wrong "message of a name with a slash" "expected the name" "$(cat err)"
nothing_left "after errors"

# Without the rights or the tools.
cp "$program" link
chmod 755 . link
setpriv --reuid 65534 --clear-groups ./link $link_of_five -- true 2>err
equal "status for nobody" 125 $?
grep -qF "only root may make network namespaces" err || wrong "message for nobody" "only root may" "$(cat err)"
PATH=/nowhere "$program" $link_of_five --device-namespace "$device" --edge-namespace "$edge" -- true 2>err
equal "status without ip" 125 $?
grep -qF 'there is no program `ip` in the path; install iproute2' err || wrong "message without ip" "install iproute2" "$(cat err)"
unshare -m sh -c 'mount -t tmpfs none /dev/net && exec "$@"' _ "$program" $link_of_five -- true 2>err
equal "status without TUN" 125 $?
grep -qF "there is no /dev/net/tun; load the module" err || wrong "message without TUN" "no /dev/net/tun" "$(cat err)"

finish
