#!/usr/bin/env python3
"""Write the link trace of the demo: a commuter train ride of 900 s, one sample a second.

What it models. The phone leaves a well covered station, crosses suburbs where the rate
fades up and down, reaches the edge of a cell, loses the link for 45 s in a tunnel,
recovers slowly, shares a crowded cell, loses the link again for 12 s, and arrives at a
station that is as good as the first. So one ride holds each case a router meets: a fast
link, a slow one, one whose last measurement misleads, and none at all.

How. The typical value of each column is a line through the knots in RIDE, straight in the
logarithm for rates and round-trip times, so one phase passes smoothly into the next.
Around it the rates are log-normal: ln(rate) adds an Ornstein-Uhlenbeck process (fading
that is remembered for some seconds) and a smaller white part (which is not). Uplink,
downlink, signal-to-noise ratio and round-trip time share part of their fading.

Why made and not measured. Its cases come when we want them, anyone may use it, and the
same script gives the same numbers everywhere. The levels are those of ordinary LTE and 5G
links, but it is an illustration: draw no conclusion about real networks from it.

Format: gzipped CSV, header t_s,uplink_bps,downlink_bps,rtt_s,snr_db. In an outage both
rates are 0, and rtt_s and snr_db are empty, which means not measured.

usage: make_demo_trace.py OUT.csv.gz
"""

import gzip
import math
import sys

SEED = 160  # one whose phases come out close to the typical values below
DURATION_S = 900

# Seconds without any link: [from, to).
TUNNELS = [(380, 425), (745, 757)]

# Typical values: time s, uplink Mb/s, downlink Mb/s, RTT ms, SNR dB, sd of ln rate, sd of ln RTT.
RIDE = [
    (0, 18.0, 60.0, 35, 22.0, 0.20, 0.08),    # platform
    (110, 18.0, 60.0, 35, 22.0, 0.20, 0.08),
    (145, 6.0, 22.0, 55, 13.0, 0.70, 0.15),   # suburbs
    (290, 5.5, 20.0, 58, 12.0, 0.70, 0.15),
    (345, 0.40, 1.6, 120, 0.0, 0.50, 0.20),   # cell edge
    (376, 0.40, 1.4, 120, -1.0, 0.50, 0.20),
    (380, 0.10, 0.3, 220, -5.0, 0.50, 0.20),  # first tunnel
    (425, 0.12, 0.3, 260, -4.0, 0.30, 0.20),  # slow recovery
    (450, 0.60, 2.5, 110, 3.0, 0.50, 0.20),
    (505, 6.0, 22.0, 55, 13.0, 0.60, 0.15),
    (550, 6.0, 22.0, 55, 13.0, 0.60, 0.15),
    (580, 1.0, 4.0, 245, 9.0, 0.45, 0.19),    # crowded cell
    (735, 1.0, 4.0, 245, 9.0, 0.45, 0.19),
    (745, 0.15, 0.5, 300, -3.0, 0.40, 0.15),  # second tunnel
    (757, 0.20, 0.6, 260, -3.0, 0.30, 0.20),
    (775, 4.0, 14.0, 65, 10.0, 0.50, 0.15),
    (825, 18.0, 60.0, 36, 22.0, 0.25, 0.08),  # destination
    (900, 18.0, 60.0, 35, 22.0, 0.20, 0.08),
]

FADING_MEMORY_S = 8.0   # time constant of the Ornstein-Uhlenbeck processes
WHITE_SHARE = 0.2       # share of the variance of ln(rate) that has no memory
SNR_DB_PER_SD = 2.5


class Generator:
    """SplitMix64 with a normal deviate on top: the same numbers in every version of Python."""

    MASK = (1 << 64) - 1

    def __init__(self, seed):
        self.state = seed

    def uniform(self):
        """Strictly between 0 and 1."""
        self.state = (self.state + 0x9E3779B97F4A7C15) & self.MASK
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & self.MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & self.MASK
        return (((z ^ (z >> 31)) >> 11) + 0.5) / (1 << 53)

    def normal(self):
        radius = math.sqrt(-2.0 * math.log(self.uniform()))
        return radius * math.cos(2.0 * math.pi * self.uniform())


class Fading:
    """Ornstein-Uhlenbeck process of unit variance, sampled once a second."""

    def __init__(self, generator):
        self.generator = generator
        self.keep = math.exp(-1.0 / FADING_MEMORY_S)
        self.value = generator.normal()

    def step(self):
        fresh = math.sqrt(1.0 - self.keep * self.keep) * self.generator.normal()
        self.value = self.keep * self.value + fresh
        return self.value


def typical(t):
    """The row of RIDE at time t: rates and RTT interpolated in the logarithm, the rest linearly."""
    for before, after in zip(RIDE, RIDE[1:]):
        if t <= after[0]:
            break
    part = (t - before[0]) / (after[0] - before[0])

    def line(column):
        return before[column] + part * (after[column] - before[column])

    def log_line(column):
        return before[column] * (after[column] / before[column]) ** part

    return log_line(1) * 1e6, log_line(2) * 1e6, log_line(3) * 1e-3, line(4), line(5), line(6)


def mixed(share, first, second):
    """A unit-variance deviate whose correlation with `first` is `share`."""
    return share * first + math.sqrt(1.0 - share * share) * second


def rows():
    generator = Generator(SEED)
    common, down_only, delay_only = (Fading(generator) for _ in range(3))
    with_memory, without = math.sqrt(1.0 - WHITE_SHARE), math.sqrt(WHITE_SHARE)

    yield "t_s,uplink_bps,downlink_bps,rtt_s,snr_db"
    for t in range(DURATION_S):
        up_bps, down_bps, rtt_s, snr_db, sd_rate, sd_rtt = typical(t)
        shared = common.step()
        up_dev = with_memory * shared + without * generator.normal()
        down_dev = with_memory * mixed(0.7, shared, down_only.step()) + without * generator.normal()
        rtt_dev = with_memory * mixed(-0.4, shared, delay_only.step()) + without * generator.normal()
        snr_dev = mixed(0.95, shared, generator.normal())

        if any(start <= t < end for start, end in TUNNELS):
            yield f"{t},0,0,,"
            continue
        up_bps *= math.exp(sd_rate * up_dev)
        down_bps *= math.exp(sd_rate * down_dev)
        rtt_s *= math.exp(sd_rtt * rtt_dev)
        # A steady link has a steady signal: scale its spread with that of the rate.
        snr_db += SNR_DB_PER_SD * (sd_rate / 0.7) * snr_dev
        yield f"{t},{up_bps:.0f},{down_bps:.0f},{rtt_s:.4f},{snr_db:.1f}"


def main(arguments):
    if len(arguments) != 1 or arguments[0].startswith("-"):
        sys.exit("usage: make_demo_trace.py OUT.csv.gz")
    text = "\n".join(rows()) + "\n"
    with open(arguments[0], "wb") as out:
        # No name and no time in the header: the bytes depend on the text alone.
        with gzip.GzipFile(filename="", mode="wb", fileobj=out, compresslevel=9, mtime=0) as packed:
            packed.write(text.encode("ascii"))


if __name__ == "__main__":
    main(sys.argv[1:])
