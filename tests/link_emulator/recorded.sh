# A recorded link: rates and round trips change as they did, an outage holds packets, and the loop goes on.
. "$(dirname "$0")/support.sh"

# 2 s of 10 ms, 2 s of 60 ms, 1 s of nothing; a ping a tenth of a second, from some moment of it on, for two loops.
printf '%s\n' 't_s,uplink_bps,downlink_bps,rtt_s,snr_db' '0,10000000,10000000,0.01,' '2,10000000,10000000,0.06,' \
    '4,0,0,0.01,' '5,10000000,10000000,0.01,' >steps.csv
gzip -k steps.csv
cat >pings.py <<'P'
import os, socket, threading, time
udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
udp.connect((os.environ["QLROUTE_EDGE_ADDRESS"], 7077))
udp.settimeout(3)
sent = []
def send():
    for i in range(100):
        sent.append(time.monotonic())
        udp.send(bytes([i]))
        time.sleep(0.1)
threading.Thread(target=send).start()
for _ in range(100):
    which = udp.recv(9)[0]
    print((time.monotonic() - sent[which]) * 1e3)
P
link --trace steps.csv --up 1Mbit/s --rtt 99ms -- true
grep -qF "up as recorded, down as recorded, rtt as recorded in steps.csv" err ||
    wrong "what is said of a trace that measures all" "as recorded" "$(cat err)"
for file in steps.csv steps.csv.gz; do
    link --trace "$file" --edge-command "exec $python -B '$tests/probe.py' serve" --wait-port 7077 -- "$python" pings.py ||
        wrong "pings over $file" 0 "$? $(cat err)"
    equal "pings over $file" 100 "$(wc -l <out)"
    # The loop is 6 s: the last sample lasts 1 s. Ten seconds of it hold 20 to 40 of 60 ms, 10 to 20 in an outage.
    between "round trips of 10 ms" 40 70 "$(awk '$1 >= 10 && $1 < 15' out | wc -l)"
    between "round trips of 60 ms" 19 41 "$(awk '$1 >= 60 && $1 < 65' out | wc -l)"
    between "longest, in an outage of 1 s" 900 1100 "$(sort -n out | tail -n 1)"
done

# 1 s at 2 Mbit/s, 1 s at 18 Mbit/s: 10 Mbit/s on average.
printf '%s\n' 't_s,uplink_bps,downlink_bps,rtt_s,snr_db' '0,2000000,18000000,0.01,' '1,18000000,2000000,0.01,' >two.csv
probed "--trace two.csv --queue 2MB" up 5000000
between "seconds for 5 MB up" 3.2 5.4 "$(cat out)"
probed "--trace two.csv --queue 2MB" down 5000000
between "seconds for 5 MB down" 3.2 5.4 "$(cat out)"

# From 4 s on: nothing for a second.
printf '%s\n' 't_s,uplink_bps,downlink_bps,rtt_s,snr_db' '0,10000000,10000000,0.01,' '4,0,,,' '9,10000000,,,' >late.csv
link --trace late.csv --trace-start "4 s" --edge-command "exec $python -B '$tests/probe.py' serve" -- sh -c \
    "sleep 1; exec $python -B '$tests/probe.py' down 1" || wrong "a start in an outage" 0 "$?"
between "seconds for one byte from an outage of 5 s" 3.5 4.9 "$(cat out)"

finish
