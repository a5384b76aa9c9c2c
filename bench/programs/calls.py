"""Milliseconds of each of n warm calls, one at a time, from submission to value."""
import json
import sys
import time

from culm import work, workflow


@work
def noop(x):
    return x


@workflow
def time_calls(n, warm):
    for i in range(warm):
        noop(-i)
    times = []
    for i in range(1, n + 1):
        start = time.perf_counter()
        assert noop(i) == i
        times.append((time.perf_counter() - start) * 1000)
    return times


if __name__ == '__main__':
    print(json.dumps(time_calls(int(sys.argv[1]), int(sys.argv[2]))))
