"""The programme of the talk "A Function-as-a-Task Workflow Management Approach with PanDA and iDDS" (ACAT 2024).

Optimisation of hyperparameters: 10 iterations of 20 points, each iteration a task of 20 jobs, the workflow function
itself a job too. Of what the talk shows, the import lines were changed. What is trained, and what optimises, is in the
module `optimize`, of which there are two:

    PYTHONPATH=boosted_trees python optimize_iworkflow.py        # xgboost and bayes_opt, as in the talk
    PYTHONPATH=standard_library python optimize_iworkflow.py     # without any package
"""

import sys

from culm.idds import Workflow, get_unique_id_for_dict, work, workflow


@work(map_results=True)
def optimize_work(opt_params, opt_method=None, retMethod=None, hist=True, saveModel=False, input_weight=None, **kwargs):
    from optimize import evaluate_bdt, load_data

    train, val, y_train_cat, y_val_cat = load_data()
    ret = evaluate_bdt(input_x=[train, val], input_y=[y_train_cat, y_val_cat], opt_params=opt_params, retMethod=retMethod,
                       **kwargs)
    return ret


@workflow
def optimize_workflow(n_iterations=10, n_points_per_iteration=20):
    from optimize import HYPERPARAMETERS, get_bayesian_optimizer_and_util, opt_method, params

    bayesopt, util = get_bayesian_optimizer_and_util()
    best_so_far = []
    for i in range(n_iterations):
        points = {}
        group_kwargs = []
        for j in range(n_points_per_iteration):
            x_probe = bayesopt.suggest(util)
            u_id = get_unique_id_for_dict(x_probe)
            points[u_id] = {'kwargs': x_probe}
            group_kwargs.append(x_probe)

        results = optimize_work(opt_params=params, opt_method=opt_method, hist=True, saveModel=False, input_weight=None,
                                retMethod=opt_method, group_kwargs=group_kwargs)

        for u_id in points:
            points[u_id]['ret'] = results.get_result(name=None, args=points[u_id]['kwargs'])
            bayesopt.register(points[u_id]['kwargs'], points[u_id]['ret'])
        best_so_far.append(bayesopt.max['target'])

    # Not in the talk: what as many points are worth that nobody has thought about.
    import random

    guesses = [{name: random.uniform(*bounds) for name, bounds in HYPERPARAMETERS.items()}
               for _ in range(n_iterations * n_points_per_iteration)]
    guessed = optimize_work(opt_params=params, retMethod=opt_method, group_kwargs=guesses).get_all_results()
    return {'best': bayesopt.max, 'best_so_far': best_so_far, 'random': max(guessed.values()), 'points': len(bayesopt.res)}


if __name__ == '__main__':
    shape = dict(zip(['n_iterations', 'n_points_per_iteration'], map(int, sys.argv[1:])))
    # In the talk: init_env = 'singularity exec /afs/cern.ch/…/idds_ml_al9.simg '. Here the interpreter that runs this
    # has the packages, and on this machine the jobs run under it too.
    wf = Workflow(func=optimize_workflow, kwargs=shape, service='idds', init_env='')
    wf.prepare()
    print('workflow %s' % wf.submit(), flush=True)

    ret = wf.result()
    for i, best in enumerate(ret['best_so_far']):
        print('iteration %2s: best so far %.5f' % (i + 1, best))
    best, guessed = ret['best']['target'], ret['random']
    params = {name: round(float(value), 3) for name, value in ret['best']['params'].items()}
    print('best of %s points: %.5f with %s' % (ret['points'], best, params))
    print('best of as many random ones: %.5f' % guessed)
    print('regret: %.5f, of random search %.5f' % (max(best, guessed) - best, max(best, guessed) - guessed))
