"""Milliseconds of each of `times` maps of n calls that do nothing, from submission to the last value, and the peak of this process's memory, MB."""
import json
import operator
import sys
import time

from culm import work, workflow


@work
def noop(x):
    return x


@workflow
def time_maps(n, times):
    noop.map(range(100)).result()
    took = []
    for _ in range(times):
        start = time.perf_counter()
        values = noop.map(range(n)).result()
        took.append((time.perf_counter() - start) * 1000)
        assert len(values) == n and all(map(operator.eq, values, range(n)))
    return took


def peak_mb():
    """Not `ru_maxrss`, which begins with the size of the process that started this one."""
    with open('/proc/self/status') as status:
        return next(int(line.split()[1]) * 1024 / 1e6 for line in status if line.startswith('VmHWM'))


if __name__ == '__main__':
    print(json.dumps({'ms': time_maps(int(sys.argv[1]), int(sys.argv[2])), 'peakMb': peak_mb()}))
