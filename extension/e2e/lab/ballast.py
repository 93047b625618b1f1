"""Holds real memory, so that a machine with much of it comes under real pressure.

Reads lines from standard input, each a share of memory in percent that shall stay available, and
holds as much as it takes. Looks again five times a second and gives back at once what another
program needs. It offers itself first to the kernel, should memory run out all the same. It ends
with its input.
"""

import mmap
import os
import select
import sys

BLOCK = 64 << 20


def meminfo():
    with open("/proc/meminfo", encoding="ascii") as lines:
        fields = dict(line.split(":", 1) for line in lines)
    return tuple(int(fields[name].split()[0]) << 10 for name in ("MemTotal", "MemAvailable"))


def take(blocks):
    block = mmap.mmap(-1, BLOCK)
    block.write(os.urandom(mmap.PAGESIZE) * (BLOCK // mmap.PAGESIZE))
    blocks.append(block)


def main():
    with open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
        file.write("1000")
    blocks = []
    percent = 100.0
    os.set_blocking(sys.stdin.fileno(), False)
    while True:
        ready, _, _ = select.select([sys.stdin], [], [], 0.2)
        if ready:
            text = os.read(sys.stdin.fileno(), 4096).decode("ascii")
            if not text:
                return
            percent = float(text.split()[-1])
        total, available = meminfo()
        excess = available - total * percent / 100
        for _ in range(int(min(8, excess // BLOCK))):
            take(blocks)
        while excess < -BLOCK and blocks:
            blocks.pop().close()
            excess += BLOCK


if __name__ == "__main__":
    main()
