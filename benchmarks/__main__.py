"""`make bench`: every figure that is promised about speed, measured on this machine.

Belongs here: running each benchmark and printing what came out beside what was promised. Does not belong here: the
measuring of one part (a module each), and any test: a busy machine is no defect.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

from benchmarks import audit, commands, erasure, lake, marts, orders, quality, retention


def main() -> None:
    """Print all figures."""
    print("How long commands take\n")
    helps = [commands.timed(["--help"]).seconds for _ in range(7)]
    print(f"amzigo --help             {statistics.median(helps):6.2f} s   promised: under 0.5 s (median of 7)")
    demo = commands.demo()
    print(f"amzigo demo               {demo.seconds:6.1f} s   promised: under 60 s on two cores")
    print(f"  memory, all processes   {demo.peak_mb:6.0f} MB  promised: under 1,500 MB")
    for name, seconds in commands.one_day():
        print(f"{name:24}  {seconds:6.2f} s   promised: under 5 s of its own work")
    print("\nWhat extracting orders costs\n")
    orders.main([])
    print("\nWhat encryption costs: encrypted / plaintext, promised at most 1.15 for a partition\n")
    lake.main(["--repetitions", "7", "--small-files", "100"])
    print("\nErasing a buyer\n")
    erasure.main([])
    print("\nMarts: a year from nothing, and one more day\n")
    marts.main([])
    print("\nThe audit trail\n")
    audit.main([])
    print("\nWhat checks add to a partition\n")
    quality.main([])
    print("\nWhat destroying costs\n")
    retention.main([])


if __name__ == "__main__":
    started = time.perf_counter()
    main()
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    print(
        f"\nPython {sys.version.split()[0]}, commit {commit.stdout.strip() or 'unknown'}, "
        f"{time.perf_counter() - started:.0f} s in all"
    )
