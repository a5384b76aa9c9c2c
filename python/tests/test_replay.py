"""The replay of a journal: its rules by example, and random concurrent programs that are killed again and again.

In the model a program is a set of coroutines over shared state, and whatever they ask for depends on all of that state,
so on the order in which they were told things. Jobs end, writes arrive and are answered in random order; a kill loses
any of the writes under way.
"""

from __future__ import annotations

import random
import unittest

from support import PYTHON_FOLDER  # noqa: F401  (finds the package)

from culm._replay import ALL, FILLER, MOST_CARRIED, NOTHING, Entry, Patience, Replay, Seen, name_of_key


def calls(*entries):
    return [Entry(seq, key, task_id, seen=seen) for seq, (key, task_id, seen) in enumerate(entries, 1)]


class Rules(unittest.TestCase):
    def test_things_are_told_in_their_order_between_the_calls_of_their_time(self):
        replay = Replay(calls(('a', 't1', None), ('b', 't2', None), ('c', 't3', '[0,"t2","t1"]')))
        self.assertEqual(replay.ask('a').task_id, 't1')
        self.assertFalse(replay.tell(('t1', ALL)))  # b was asked for before anything was told
        replay.ask('b')
        self.assertFalse(replay.tell(('t1', ALL)))
        self.assertTrue(replay.tell(('t2', ALL)))
        self.assertTrue(replay.tell(('t1', ALL)))
        self.assertEqual((replay.over, replay.next, replay.forgotten()), (False, 'c', 'c'))
        replay.ask('c')
        self.assertTrue(replay.over)

    def test_what_is_from_before_a_retry_is_known_by_its_key_and_has_no_order(self):
        before = [entry._replace(earlier=True) for entry in calls(('a', 't1', None), ('b', 't2', '[0,"t1"]'))]
        error = Entry(3, 'once:f:1', value='{"error":{}}', earlier=True)
        cancel = Entry(4, 'cancel:t1:1', value='true', earlier=True)
        kept = Entry(5, 'now:1', value='1', earlier=True)
        replay = Replay([*before, error, cancel, kept, Entry(6, 'c', 't3', seen='[0,"t2"]')])
        self.assertEqual(sorted(replay.earlier), ['a', 'b', 'now:1'])
        self.assertEqual((replay.told, replay.next, replay.ask('a')), (1, ('t2', ALL), None))
        self.assertTrue(replay.tell(('t2', ALL)))
        self.assertEqual(replay.ask('c').task_id, 't3')
        self.assertTrue(replay.over)

    def test_what_was_told_after_the_last_write_is_not_on_the_way(self):
        replay = Replay(calls(('a', 't1', None)))
        replay.ask('a')
        self.assertTrue(replay.over)
        self.assertEqual(replay.told, 0)

    def test_a_key_may_be_asked_for_before_its_turn_and_a_new_one_is_told_apart(self):
        replay = Replay(calls(('a', 't1', None), ('b', 't2', '[0,"t1"]')))
        self.assertEqual(replay.ask('b').task_id, 't2')
        self.assertIsNone(replay.ask('x'))
        replay.ask('a')
        self.assertTrue(replay.tell(('t1', ALL)))
        self.assertTrue(replay.over)

    def test_waits_in_vain_outcomes_of_maps_and_records_are_told_like_ends(self):
        seen = Seen()
        things = [('t1', NOTHING), ('t2', 3), ('t2', 1), ('t3', 1), ('=now:1', ALL), ('t2', ALL), ('t2', 0)]
        for thing in things:
            seen.add(thing)
        self.assertEqual(seen.carried(), ('[0,"t1?",["t2",3,1],["t3",1],"=now:1","t2",["t2",0]]', 7))
        replay = Replay(calls(('a', 't9', seen.carried()[0])))
        self.assertEqual([replay.tell(thing) for thing in things], [True] * 7)

    def test_writes_under_way_at_once_may_arrive_in_any_order_or_be_lost(self):
        seen = Seen()
        seen.add(('t1', ALL))
        first = seen.carried()  # its answer does not come …
        seen.add(('t2', ALL))
        second = seen.carried()
        self.assertEqual(second, ('[0,"t1","t2"]', 2))
        in_turn = Replay([Entry(7, 'second', 't9', seen=second[0]), Entry(8, 'first', 't8', seen=first[0])])
        self.assertEqual(in_turn._steps, [('t1', ALL), 'first', ('t2', ALL), 'second'])
        lost = Replay([Entry(7, 'second', 't9', seen=second[0])])
        self.assertEqual(lost._steps, [('t1', ALL), ('t2', ALL), 'second'])
        seen.acknowledge(2)
        seen.acknowledge(1)
        self.assertEqual(seen.carried(), ('[2]', 2))
        self.assertEqual(Seen(5).carried(), ('[5]', 5))
        self.assertEqual(Seen().carried(), (None, 0))

    def test_more_than_one_write_can_carry_goes_into_records_that_nobody_asked_for(self):
        seen = Seen()
        for index in range(MOST_CARRIED + 1):
            seen.add(('t1', index))
        key, cargo, upto = seen.overflow()
        self.assertLess(len(cargo), 4_000_000)
        seen.acknowledge(upto)
        self.assertIsNone(seen.overflow())
        self.assertEqual(seen.carried(), (f'[{MOST_CARRIED},["t1",{MOST_CARRIED}]]', MOST_CARRIED + 1))
        entries = [Entry(1, key, value='null', seen=cargo), Entry(2, 'b', 't2', seen=seen.carried()[0])]
        replay = Replay(entries)
        self.assertTrue(key.startswith(FILLER))
        for index in range(MOST_CARRIED + 1):
            self.assertTrue(replay.tell(('t1', index)))
        self.assertEqual(replay.forgotten(), 'b')

    def test_patience_ends_only_where_nothing_can_move(self):
        patience = Patience(60, now=0)
        held = {'waits': True, 'computes': False, 'outcome_missing': False}
        self.assertEqual(patience.judge(1, **held), 'on')
        self.assertEqual(patience.judge(2, **held), 'say')
        self.assertEqual(patience.judge(3, **held), 'on')
        self.assertEqual(patience.judge(59, **{**held, 'computes': True}), 'on')
        self.assertEqual(patience.judge(100, **{**held, 'outcome_missing': True}), 'say')
        self.assertEqual(patience.judge(159, **held), 'on')
        self.assertEqual(patience.judge(160, **held), 'give up')
        patience.moved(160)
        self.assertEqual(patience.judge(161, **held), 'on')
        self.assertEqual(patience.judge(3600, **{**held, 'waits': False}), 'on')
        self.assertEqual(patience.judge(3601, **held), 'on')

    def test_keys_have_words(self):
        self.assertEqual(name_of_key(f'flow.py#square:{"a" * 40}:2'), 'flow.py#square (2)')
        self.assertEqual(name_of_key('once:flow#read:1'), 'once:flow#read (1)')
        self.assertEqual(name_of_key('now:3'), 'now (3)')


class World:
    """What survives a kill: the journal, the tasks and what came of them."""

    def __init__(self, rng):
        self.rng = rng
        self.entries = {}  # key -> Entry
        self.outcomes = {}  # task id -> values by index, in the order in which they came
        self.sizes = {}
        self.runs = 0

    def keep(self, key, size, seen):
        if key not in self.entries:
            task_id = f't{len(self.entries) + 1}'
            self.entries[key] = Entry(len(self.entries) + 1, key, task_id, seen=seen)
            self.outcomes[task_id] = {}
            self.sizes[task_id] = size
        return self.entries[key].task_id

    def finish_one(self):
        open_ones = [(t, i) for t, n in self.sizes.items() for i in range(n) if i not in self.outcomes[t]]
        if open_ones:
            task_id, index = self.rng.choice(open_ones)
            self.outcomes[task_id][index] = self.rng.random()
            self.runs += 1
        return bool(open_ones)


class Killed(Exception):
    pass


class Run:
    """One start of a program, until it ends or is killed. As `_journal.py` and `_coroutines.py` do it, without time."""

    def __init__(self, world, rng, kill_after):
        self.world, self.rng, self.kill_after = world, rng, kill_after
        self.replay = Replay(world.entries.values())
        self.seen = Seen(self.replay.told)
        self.ordinals = {}
        self.asked = set()
        self.ready = []  # coroutines to go on, with what they get
        self.parked = []
        self.writes = []  # under way: (key, size, seen, upto, then)
        self.waits = []  # (task id, kind, told, then)

    def spawn(self, coroutine, then=lambda value: None):
        self.ready.append((coroutine, None, then))

    def go(self, coroutine, value, then):
        try:
            op, *rest = coroutine.send(value)
        except StopIteration as end:
            then(end.value)
            return
        getattr(self, f'op_{op}')(lambda got: self.ready.append((coroutine, got, then)), *rest)

    def op_gather(self, on, *children):
        left, values = [len(children)], [None] * len(children)

        def one(n):
            def ended(value):
                values[n] = value
                left[0] -= 1
                if not left[0]:
                    on(values)

            return ended

        for n, child in enumerate(children):
            self.spawn(child, one(n))

    def op_call(self, on, name, size):
        """Asks, and waits for the end."""
        self.ask(name, size, lambda task: self.waits.append((task, ALL, on)))

    def op_start(self, on, name, size):
        """Asks; goes on when the server has it, as a blocking call does: nothing else runs meanwhile."""
        self.ask(name, size, on, at_once=True)

    def op_next(self, on, task):
        self.waits.append((task, 'next', on))

    def op_end(self, on, task):
        self.waits.append((task, ALL, on))

    def op_try(self, on, task):
        self.waits.append((task, 'deadline', on))

    def ask(self, name, size, then, at_once=False):
        ordinal = self.ordinals[name] = self.ordinals.get(name, 0) + 1
        key = f'{name}:{ordinal}'
        entry = self.replay.ask(key)
        self.asked.add(key)
        if entry:
            then((entry.task_id, set()))
        elif not self.replay.over:
            self.parked.append((key, size, then))
        else:
            self.write(key, size, then)
            if at_once:
                self.answer(self.writes.pop())

    def write(self, key, size, then):
        self.writes.append((key, size, *self.seen.carried(), then))

    def answer(self, write):
        key, size, seen, upto, then = write
        task_id = self.world.keep(key, size, seen)
        self.seen.acknowledge(upto)
        then((task_id, set()))

    def tell_one(self):
        """Tells one waiter one thing, if any may be told."""
        able = [(wait, thing, value) for wait in self.waits for thing, value in self.things_for(wait)]
        self.rng.shuffle(able)
        for wait, thing, value in able:
            if self.replay.over:
                self.seen.add(thing)
            elif not self.replay.tell(thing):
                continue
            self.waits.remove(wait)
            if thing[1] >= 0:
                wait[0][1].add(thing[1])
            wait[2](value)
            return True
        return False

    def things_for(self, wait):
        (task_id, handed_out), kind, _ = wait
        come, size = self.world.outcomes[task_id], self.world.sizes[task_id]
        if kind == 'next':
            return [((task_id, i), (i, v)) for i, v in come.items() if i not in handed_out]
        things = [((task_id, ALL), sorted(come.items()))] if len(come) == size else []
        return [*things, ((task_id, NOTHING), None)] if kind == 'deadline' else things

    def until_the_end(self):
        steps = 0
        while self.ready or self.waits or self.writes or self.parked:
            steps += 1
            if steps == self.kill_after:
                for write in self.rng.sample(self.writes, self.rng.randint(0, len(self.writes))):
                    self.world.keep(*write[:3])
                raise Killed
            if self.ready:
                self.go(*self.ready.pop(0))
            elif self.parked and self.replay.over:
                for parked in self.parked:
                    self.write(*parked)
                self.parked = []
            elif self.writes and self.rng.random() < 0.5:
                self.answer(self.writes.pop(self.rng.randrange(len(self.writes))))
            elif self.rng.random() < 0.3 and self.world.finish_one():
                pass
            elif not self.tell_one() and not self.writes and not self.world.finish_one():
                raise AssertionError(f'stuck at {self.replay.next}; waits {self.waits}, parked {self.parked}')


def program(seed):
    """A random program: what it does depends on its seed, and on everything that it has been told."""
    state = []

    def name(rng, who):
        """A function with arguments: equal ones often, others made of all that is known."""
        return rng.choice(['f', f'g{who}', f'h{hash(tuple(state))}', f'h{hash(tuple(state))}'])

    def branch(who, depth):
        rng = random.Random(f'{seed}/{who}')
        for n in range(rng.randint(1, 4)):
            kind = rng.choice(['call', 'call', 'arrivals', 'race', 'deadline', 'deeper'])
            if kind == 'call':
                value = yield 'call', name(rng, who), 1
                state.append((who, n, str(value)))
            elif kind == 'arrivals':
                size = rng.randint(1, 4)
                task = yield 'start', name(rng, who), size
                for _ in range(rng.randint(0, size)):
                    value = yield 'next', task
                    state.append((who, n, str(value)))
            elif kind == 'race':
                tasks = []
                for _ in range(2):
                    tasks.append((yield 'start', name(rng, who), 1))
                yield ('gather', *(ended(task, who) for task in tasks))
            elif kind == 'deadline':
                task = yield 'start', name(rng, who), 1
                value = None
                while value is None:
                    value = yield 'try', task
                    state.append((who, n, str(value)))
                    if value is None and rng.random() < 0.5:
                        yield 'call', name(rng, who), 1
            elif depth < 3:
                yield ('gather', *(branch(f'{who}.{n}.{i}', depth + 1) for i in range(rng.randint(1, 3))))
        return len(state)

    def ended(task, who):
        value = yield 'end', task
        state.append((who, 'race', str(value)))
        yield 'call', f'after{hash(tuple(state))}', 1

    return branch('0', 0), state


class Property(unittest.TestCase):
    def test_a_program_that_is_killed_again_and_again_makes_each_call_once_and_is_told_the_same(self):
        kills = told = 0
        for seed in range(400):
            with self.subTest(seed=seed):
                rng = random.Random(seed)
                world = World(rng)
                asked_before, run = set(), None
                for _ in range(rng.randint(0, 6)):
                    run = Run(world, rng, kill_after=rng.randint(1, 60))
                    run.spawn(program(seed)[0])
                    try:
                        run.until_the_end()
                    except Killed:
                        kills += 1
                    asked_before |= set(world.entries)
                main, state = program(seed)
                run = Run(world, rng, kill_after=None)
                run.spawn(main)
                run.until_the_end()
                told += run.replay.told
                self.assertIsNone(run.replay.forgotten())
                # Whatever any start had sent, the last one asked for too: nothing ran in vain, and nothing twice.
                self.assertEqual(set(world.entries), run.asked)
                self.assertLessEqual(asked_before, run.asked)
                self.assertEqual(world.runs, sum(len(values) for values in world.outcomes.values()))
        self.assertGreater(kills, 500)
        self.assertGreater(told, 1000)


if __name__ == '__main__':
    unittest.main()
