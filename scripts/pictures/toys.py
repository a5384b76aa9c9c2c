"""What the pictures of the monitor show: fits of toys that tell their loss, of which a few find no minimum."""

import random
import time

import culm


@culm.work
def fit(seed, rate):
    noise, slope = random.Random(seed), 0.0
    for epoch in range(1, 26):
        slope += rate * (3 - slope)
        loss = (3 - slope) ** 2 + noise.uniform(0.02, 0.06)
        print(f'epoch {epoch:2}: slope {slope:.3f}, loss {loss:.4f}', flush=True)
        culm.report(epoch, loss=loss, slope=slope)
        time.sleep(0.02)
    if seed % 9 == 4:
        raise ArithmeticError(f'no minimum: the matrix of seed {seed} is singular')
    return {'loss': loss, 'slope': slope}


@culm.workflow
def toys(seeds=24):
    fits = fit.map(range(seeds), [0.05 + 0.01 * (seed % 10) for seed in range(seeds)])
    return min(each['loss'] for each in fits)


if __name__ == '__main__':
    toys()
