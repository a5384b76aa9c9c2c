"""What the programme of the talk imports, of the standard library alone: the data, one training, and an optimiser.

Trained is a model of English text that tells from the last letters how likely each letter comes next: counts of 1 to 5
letters, interpolated with absolute discounting. The text is that of Python's own help (`pydoc_data`). The
hyperparameters are the discounts, the score is minus the bits per letter on text that the model has not seen.
"""

import math
import random
from collections import Counter, defaultdict
from functools import cache

params, opt_method = {'letters': 5000}, 'bits'

LONGEST = 5
HYPERPARAMETERS = {f'discount{length}': (0.01, 0.99) for length in range(1, LONGEST + 1)}


@cache  # A worker keeps its process: the text is counted once in it, and not for each training.
def load_data():
    from pydoc_data.topics import topics

    text = ' '.join(' '.join(topics[name].split()) for name in sorted(topics))
    seen, unseen = text[:200_000], text[200_000:300_000]
    counts = defaultdict(Counter)
    for end in range(LONGEST, len(seen)):
        for length in range(LONGEST):
            counts[seen[end - length : end]][seen[end]] += 1
    return counts, unseen, {before: sum(found.values()) for before, found in counts.items()}, len(set(text))


def evaluate_bdt(input_x, input_y, opt_params, retMethod, **point):
    """Minus the bits per letter: the higher the better."""
    (counts, unseen), (totals, alphabet) = input_x, input_y
    ends = range(LONGEST, LONGEST + opt_params['letters'])
    bits = 0.0
    for end in ends:
        likely = 1 / alphabet
        for length in range(LONGEST):
            before = unseen[end - length : end]
            if before not in totals:
                break
            found, discount = counts[before], point[f'discount{length + 1}']
            likely = (max(found[unseen[end]] - discount, 0) + discount * len(found) * likely) / totals[before]
        bits -= math.log2(likely)
    return {'bits': -bits / len(ends)}[retMethod]


class Optimizer:
    """Searches by the cross-entropy method: points are drawn around the best so far, ever closer to them."""

    def __init__(self, seed=None):
        self.res = []
        self._random = random.Random(seed)

    def suggest(self, util):
        best = [known['params'] for known in sorted(self.res, key=lambda known: -known['target'])[: util['best']]]
        return {name: self._drawn(name, best) for name in HYPERPARAMETERS}

    def _drawn(self, name, best):
        low, high = HYPERPARAMETERS[name]
        if len(best) < 2:
            return self._random.uniform(low, high)
        values = [point[name] for point in best]
        middle = sum(values) / len(values)
        spread = math.sqrt(sum((value - middle) ** 2 for value in values) / len(values))
        return min(high, max(low, self._random.gauss(middle, spread + 0.02)))

    def register(self, params, target):
        self.res.append({'target': target, 'params': params})

    @property
    def max(self):
        return max(self.res, key=lambda known: known['target'])


def get_bayesian_optimizer_and_util(seed=None):
    return Optimizer(seed), {'best': 8}
