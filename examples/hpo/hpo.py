"""Hyperparameter optimisation: 10 iterations of 20 trainings each, every training a job of its own.

Optuna's tree-structured Parzen estimator proposes the points. It is told of a batch only when all of it has ended, so it
is asked to treat points that are still running as bad ones (the "constant liar"), which keeps a batch from being 20
times nearly the same. What is trained is a random forest that reads handwritten digits (1797 images, shipped with
scikit-learn); what is minimised is the fraction of the test images that it gets wrong.

    pip install -r requirements.txt
    python hpo.py
"""

import sys

from culm import work, workflow

ITERATIONS, POINTS = 10, 20


@work
def train(point):
    """The error of a forest with these parameters, on the third of the images that it has not seen."""
    from sklearn.datasets import load_digits
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.model_selection import train_test_split

    images, digits = load_digits(return_X_y=True)
    seen, unseen, answers, solutions = train_test_split(images, digits, test_size=1 / 3, random_state=1, stratify=digits)
    forest = RandomForestClassifier(random_state=1, **point).fit(seen, answers)
    return 1 - forest.score(unseen, solutions)


def propose(trial):
    return {
        'n_estimators': trial.suggest_int('n_estimators', 2, 30),
        'max_depth': trial.suggest_int('max_depth', 2, 20),
        'max_features': trial.suggest_float('max_features', 0.02, 0.3),
        'min_samples_leaf': trial.suggest_int('min_samples_leaf', 1, 10),
        'criterion': trial.suggest_categorical('criterion', ['gini', 'entropy']),
    }


@workflow
def optimise(iterations=ITERATIONS, points=POINTS):
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=1, constant_liar=True))
    for iteration in range(1, iterations + 1):
        trials = [study.ask() for _ in range(points)]
        errors = train.map([propose(trial) for trial in trials])
        for trial, error in zip(trials, errors):
            study.tell(trial, error)
        print(f'iteration {iteration:2}: {study.best_value:.2%} wrong at best, in trial {study.best_trial.number}', flush=True)
    return {'error': study.best_value, 'point': study.best_params, 'trainings': len(study.trials)}


if __name__ == '__main__':
    best = optimise(*map(int, sys.argv[1:]))
    print(f'best of {best["trainings"]} trainings: {best["error"]:.2%} wrong with {best["point"]}')
