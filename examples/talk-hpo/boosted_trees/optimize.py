"""What the programme of the talk imports: the data, one training, and the optimiser.

The talk trains on simulated ttH events of ATLAS. Here it is the 1797 handwritten digits that scikit-learn ships, and
the question whether a digit is odd.
"""

from functools import cache

params, opt_method = {'n_estimators': 30, 'tree_method': 'hist'}, 'log_loss'

HYPERPARAMETERS = {
    'alpha': (0, 1),
    'colsample_bytree': (0.1, 1),
    'eta': (0.01, 1),
    'gamma': (0, 1),
    'max_delta_step': (0, 20),
    'max_depth': (2, 20),
    'min_child_weight': (0, 100),
    'scale_pos_weight': (0.1, 10),
    'subsample': (0.1, 1),
}


@cache  # A worker keeps its process: the data are read once in it, and not for each training.
def load_data():
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    images, digits = load_digits(return_X_y=True)
    return train_test_split(images, digits % 2, test_size=1 / 3, random_state=1, stratify=digits)


def evaluate_bdt(input_x, input_y, opt_params, retMethod, **point):
    """The score of a boosted decision tree on data that it has not seen: the higher the better."""
    from sklearn.metrics import log_loss
    from xgboost import XGBClassifier

    (seen, unseen), (answers, solutions) = input_x, input_y
    point['max_depth'] = round(point['max_depth'])
    classifier = XGBClassifier(**opt_params, **point, n_jobs=1, random_state=1).fit(seen, answers)
    score = {'log_loss': lambda given: -log_loss(solutions, given)}[retMethod]
    return float(score(classifier.predict_proba(unseen)))


def get_bayesian_optimizer_and_util(seed=None):
    from bayes_opt import BayesianOptimization, acquisition

    class Liar(acquisition.ConstantLiar):
        """A point that is not yet evaluated is taken for a bad one, so that a batch is not 20 times the same point."""

        def suggest(self, *args, **kwargs):
            return super().suggest(*args, **{**kwargs, 'n_random': 2000, 'n_smart': 2})  # Five times as fast.

    class Optimizer(BayesianOptimization):
        """Of bayes_opt 3 as the talk uses its version: `suggest(util)`."""

        def suggest(self, util):
            return super().suggest()

    util = Liar(acquisition.UpperConfidenceBound(kappa=1.5), strategy='min')
    bayesopt = Optimizer(None, HYPERPARAMETERS, acquisition_function=util, random_state=seed, verbose=0)
    bayesopt.set_gp_params(alpha=1e-3, n_restarts_optimizer=0)
    return bayesopt, util
