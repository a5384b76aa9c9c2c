"""The journal of a scope, and how a program that runs again is led along it. Pure: no clock, no threads, no requests.

A scope (a driver, or a job) writes down each call and each value that it records, under a key, and with it what it has
been *told* by then: which calls have ended, as far as the program has seen it. Only that can have made a difference to
what it asked next. So whoever is told the same things in the same order, between the same calls, asks the same again.

A thing told is `(name, index)`. Of a task (`t35`): the outcome of one job of a map, handed out by itself; with the
index `ALL` the end of the whole call or map; with `NOTHING` that a wait for it was in vain until its deadline. Of a
record (`=now:3`), always with `ALL`: its value, or that the time of a sleep has come.

Each thing told has a place: 0, 1, 2 … over all runs. What a write carries of them travels as the JSON text of `[first
place, item, item …]`: `"t35"` and `"=now:3"` are ALL of it, `"t35?"` is NOTHING, `["t35", 3, 1, 7]` are three.
"""

from __future__ import annotations

import json
from typing import Any, Dict, Iterable, Iterator, List, NamedTuple, Optional, Set, Tuple, Union

Thing = Tuple[str, int]

ALL = -1
NOTHING = -2

#: Keys of records that the program did not ask for: they only carry what it was told.
FILLER = 'told:'
#: Things that one write may carry. An index of a map of a million takes 7 bytes, and the server takes 4 MB.
MOST_CARRIED = 100_000


class Entry(NamedTuple):
    """One line of the journal: a call (`task_id`) or a recorded value, and what came before it (`seen`).

    Of a call also how much of its task the server has: `jobs` so far, whether these are all (`closed`), and of a call
    of one job that has ended its outcome, unless that is long. `earlier`: from before a retry.
    """

    seq: int
    key: str
    task_id: Optional[str] = None
    value: Optional[str] = None
    seen: Optional[str] = None
    jobs: int = 1
    closed: bool = True
    first_job_id: str = ''
    outcome: Optional[Dict[str, Any]] = None
    earlier: bool = False

    @property
    def asked_anew(self) -> bool:
        """Whether a retry wants it anew, though it was recorded: an error of `journal.once`, or that a call which runs
        again was cancelled."""
        return self.value is not None and (self.value.startswith('{"error":') or self.key.startswith('cancel:'))


class Asked(NamedTuple):
    """A key that the program has asked for; `entry` is what the earlier run has of it."""

    key: str
    entry: Optional[Entry]


class Seen:
    """What a scope was told, from the first thing on that no acknowledged write has carried.

    Of several writes under way at once each carries everything since the last acknowledged one, with its place: they
    may arrive in another order, and a crash may lose any of them, but not one that the others need.
    """

    def __init__(self, first: int = 0) -> None:
        self._first = first
        self._things: List[Thing] = []

    def add(self, thing: Thing) -> None:
        """Of waits in vain only so many: whoever polls for days without a call has no effect by their number."""
        if thing[1] != NOTHING or len(self._things) < MOST_CARRIED:
            self._things.append(thing)

    def __len__(self) -> int:
        return len(self._things)

    def carried(self) -> Tuple[Optional[str], int]:
        """What a write made now carries, as it travels, and the place up to which that goes."""
        upto = self._first + len(self._things)
        return _dumps([self._first, *_travelling(self._things)]) if upto else None, upto

    def overflow(self) -> Optional[Tuple[str, str, int]]:
        """Key and cargo of a record that takes a part of what is too much for one write, and where that ends."""
        if len(self._things) <= MOST_CARRIED:
            return None
        part = self._things[:MOST_CARRIED]
        return f'{FILLER}{self._first}', _dumps([self._first, *_travelling(part)]), self._first + len(part)

    def acknowledge(self, upto: int) -> None:
        """A write that went up to this place is in the journal."""
        if upto > self._first:
            del self._things[: upto - self._first]
            self._first = upto


def _travelling(things: Iterable[Thing]) -> Iterator[Any]:
    """Indices of one map that follow each other share a list."""
    run: List[Any] = []
    for name, index in things:
        if run and (index < 0 or run[0] != name):
            yield run
            run = []
        if index == ALL:
            yield name
        elif index == NOTHING:
            yield f'{name}?'
        else:
            run = run or [name]
            run.append(index)
    if run:
        yield run


def _arrived(seen: Optional[str]) -> Tuple[Optional[int], List[Thing]]:
    """The first place, and the things from there on."""
    if not seen:
        return None, []
    first, *items = json.loads(seen)
    return first, [thing for item in items for thing in _things_in(item)]


def _things_in(item: Any) -> List[Thing]:
    if isinstance(item, str):
        return [(item[:-1], NOTHING)] if item.endswith('?') else [(item, ALL)]
    name, *indices = item
    return [(name, index) for index in indices]


def _dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(',', ':'))


class Replay:
    """The way that the earlier run went, and how far this one has come along it.

    The way is a list of steps: a thing told, or a key asked for. A key may be asked for before its turn; a thing is
    told when it is the next step, so after everything that had been asked for by then. What the earlier run was told
    after it last wrote had no effect, and is not on the way.

    What is from before a retry has no order any more, since what had failed runs again: it is known by its key alone.
    """

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._entries: Dict[str, Entry] = {}
        self._asked: Set[str] = set()
        self._steps: List[Union[Thing, str]] = []
        self._at = 0
        every = sorted(entries, key=lambda entry: entry.seq)
        #: What was asked for before a retry, by its key.
        self.earlier = {entry.key: entry for entry in every if entry.earlier and not entry.asked_anew}
        #: How many things the earlier run was told.
        self.told = self._lay_out(entry for entry in every if not entry.earlier)

    def _lay_out(self, entries: Iterable[Entry]) -> int:
        things: Dict[int, Thing] = {}
        asks: List[Tuple[int, int, str]] = []
        count = 0
        for entry in entries:
            first, told = _arrived(entry.seen)
            place = count if first is None else first
            things.update(enumerate(told, place))
            place += len(told)
            count = max(count, place)
            if not entry.key.startswith(FILLER):
                asks.append((place, entry.seq, entry.key))
                self._entries[entry.key] = entry
        done = 0
        for place, _, key in sorted(asks):
            self._steps += [things[n] for n in range(done, place) if n in things]
            self._steps.append(key)
            done = place
        return count

    @property
    def over(self) -> bool:
        return self._at == len(self._steps)

    @property
    def progress(self) -> Tuple[int, int]:
        """Steps behind, and steps in all."""
        return self._at, len(self._steps)

    @property
    def next(self) -> Union[Thing, str, None]:
        """The next step: a thing to be told, or a key that was not yet asked for; None when it is over."""
        return None if self.over else self._steps[self._at]

    def entry(self, key: str) -> Optional[Entry]:
        return self._entries.get(key)

    def ask(self, key: str) -> Optional[Entry]:
        """The program asks for a key; what the earlier run has of it."""
        entry = self._entries.get(key)
        if entry:
            self._asked.add(key)
            self._advance()
        return entry

    def tell(self, thing: Thing) -> bool:
        """Takes the step of telling a thing, if that is the next."""
        if self.next != thing:
            return False
        self._at += 1
        self._advance()
        return True

    def _advance(self) -> None:
        steps = self._steps
        while self._at < len(steps) and steps[self._at] in self._asked:
            self._at += 1

    def forgotten(self) -> Optional[str]:
        """The first key of the earlier run that was not asked for again."""
        rest = (step for step in self._steps[self._at :] if isinstance(step, str))
        return next((key for key in rest if key not in self._asked), None)


class Patience:
    """How long nothing may move before it is said, and before it is given up. Times in s of any one clock."""

    #: When to say that it waits, and when to say so again, s.
    SAY_SECONDS = (2.0, 60.0)

    def __init__(self, limit_seconds: float, now: float) -> None:
        self._limit = limit_seconds
        self._since = now
        self._say_at = now + self.SAY_SECONDS[0]

    def moved(self, now: float) -> None:
        self._since = now
        self._say_at = max(self._say_at, now + self.SAY_SECONDS[0])

    def judge(self, now: float, *, waits: bool, computes: bool, outcome_missing: bool) -> str:
        """'on', 'say' or 'give up'.

        waits: someone waits for what only a further step can give. computes: some of the program runs, and may take
        that step yet. outcome_missing: the next step is to tell an outcome that is still to come from its job.
        """
        if not waits:
            self.moved(now)
            return 'on'
        if computes or outcome_missing:
            self._since = now
        elif now - self._since >= self._limit:
            return 'give up'
        if now < self._say_at:
            return 'on'
        self._say_at = now + self.SAY_SECONDS[1]
        return 'say'


def name_of_key(key: str) -> str:
    """A key in words: `flow.py#square:<hash>:2` is `flow.py#square (2)`."""
    parts = key.split(':')
    words = [part for part in parts if not part.isdigit() and not _is_hash(part)]
    ordinal = next((part for part in reversed(parts) if part.isdigit()), '1')
    return f'{":".join(words)} ({ordinal})'


def _is_hash(part: str) -> bool:
    return len(part) == 40 and all(c in '0123456789abcdef' for c in part)
