# Whatever ends it, its programs and namespaces are gone afterwards; after SIGKILL the next start says what is left.
. "$(dirname "$0")/support.sh"
link_of_five="--up 5Mbit/s --down 5Mbit/s --rtt 10ms"

# gone PID: or a zombie that nobody has asked about
gone() {
    ! grep -q '^State:[[:space:]]*[^ZX]' "/proc/$1/status" 2>/dev/null
}

link $link_of_five -- sh -c 'exit 7'
equal "COMMAND's status" 7 $?
nothing_left "after COMMAND"
link $link_of_five -- sh -c 'kill -9 $$'
equal "status of a COMMAND that was killed" 137 $?
link $link_of_five -- sh -c 'echo $QLROUTE_DEVICE_ADDRESS $QLROUTE_EDGE_ADDRESS $QLROUTE_DEVICE_NAMESPACE; cat' <<<"input"
equal "COMMAND's environment and input" "10.77.0.1 10.77.0.2 $device input" "$(tr '\n' ' ' <out | sed 's/ $//')"
link $link_of_five -- printf '%s|' --up '[a,b]' -- '' x
equal "COMMAND's words" "--up|[a,b]|--||x|" "$(cat out)"

# What COMMAND and the edge's command leave behind is ended, too; one that does not listen to SIGTERM is killed.
link $link_of_five --edge-command 'echo $$ >edge; sleep 300' -- sh -c \
    'setsid sleep 300 & echo $! >orphan; (trap "" TERM; echo >deaf_began; sleep 300; sleep 300) & echo $! >deaf; sleep 0.3'
equal "status" 0 $?
for one in edge orphan deaf; do
    gone "$(cat $one)" || wrong "the process $one" "gone" "$(cat "/proc/$(cat $one)/status")"
done
nothing_left "after orphans"

for signal in TERM INT HUP; do
    for command in "" "-- sleep 300"; do
        rm -f err
        # shellcheck disable=SC2086
        env --default-signal=INT "$program" --device-namespace "$device" --edge-namespace "$edge" $link_of_five $command 2>err &
        pid=$!
        wait_until grep -q "link up" err
        kill -$signal $pid
        wait $pid
        status=$?
        case "$signal $command" in *" ") expected=0 ;; TERM*) expected=143 ;; INT*) expected=130 ;; HUP*) expected=129 ;; esac
        equal "status after SIG$signal with \"$command\"" "$expected" "$status"
        nothing_left "after SIG$signal"
    done
done

# Killed, it cannot clean up; the next one says so, and how.
"$program" --device-namespace "$device" --edge-namespace "$edge" $link_of_five -- sh -c 'echo $$ >child; exec sleep 300' 2>err &
pid=$!
wait_until test -s child
link $link_of_five -- true
equal "status of a second one" 125 $?
grep -qF "$device exists already, and a link is up in it; choose other names" err || wrong "message of a second one" "a link is up" "$(cat err)"
kill -9 $pid
wait $pid 2>/dev/null
wait_until gone "$(cat child)"
link $link_of_five -- true
equal "status after SIGKILL" 125 $?
grep -qF "remove it with: ip netns del $device" err || wrong "message after SIGKILL" "ip netns del $device" "$(cat err)"
link $link_of_five --existing -- true
equal "status with --existing" 0 $?
ip netns del "$device"
link $link_of_five -- true
equal "status with half of it left" 125 $?
grep -qF "remove it with: ip netns del $edge" err || wrong "message with half of it left" "ip netns del $edge" "$(cat err)"
equal "what it made of the other half" "$edge" "$(ip netns list | grep -o -e "^$device" -e "^$edge")"
ip netns del "$edge"
link $link_of_five -- true
equal "status after that" 0 $?
nothing_left "after that"

# A device that is removed under its feet is an error, not a busy loop; what ran ends, and the rest is removed.
link $link_of_five -- sh -c 'ip link del qlr0; echo $$ >child; exec sleep 300'
equal "status without its device" 125 $?
grep -qF "the device qlr0 is gone" err || wrong "message without its device" "the device qlr0 is gone" "$(cat err)"
gone "$(cat child)" || wrong "COMMAND without its device" "gone" "$(cat "/proc/$(cat child)/status")"
nothing_left "without its device"

finish
