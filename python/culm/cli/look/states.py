"""States as people see them: with a colour, a symbol, and their numbers."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, NamedTuple, Optional

from .style import Style
from .table import Painted


class _Tone(NamedTuple):
    """What a state says at a glance. The colour is not its only sign."""

    unicode: str
    ascii: str
    color: str


_TONES: Dict[str, _Tone] = {
    'good': _Tone('✓', '+', 'green'),
    'part': _Tone('◐', '%', 'yellow'),
    'bad': _Tone('✗', 'x', 'red'),
    'busy': _Tone('●', '*', 'cyan'),
    'waiting': _Tone('○', '.', 'dim'),
    'stopped': _Tone('⊘', '-', 'yellow'),
}

#: The states of each noun (`src/domain/*/states.ts`), by what they say.
_STATES: Dict[str, Dict[str, str]] = {
    'workflow': {
        'registered': 'waiting',
        'running': 'busy',
        'paused': 'stopped',
        'done': 'good',
        'finished': 'part',
        'failed': 'bad',
        'cancelled': 'stopped',
        'expired': 'bad',
    },
    'task': {
        'registered': 'waiting',
        'defined': 'waiting',
        'ready': 'waiting',
        'pending': 'waiting',
        'scouting': 'busy',
        'scouted': 'busy',
        'running': 'busy',
        'paused': 'stopped',
        'throttled': 'stopped',
        'finishing': 'busy',
        'aborting': 'stopped',
        'done': 'good',
        'finished': 'part',
        'failed': 'bad',
        'exhausted': 'bad',
        'broken': 'bad',
        'aborted': 'stopped',
    },
    'job': {
        'pending': 'waiting',
        'activated': 'waiting',
        'sent': 'busy',
        'starting': 'busy',
        'running': 'busy',
        'awaiting': 'busy',
        'holding': 'waiting',
        'transferring': 'busy',
        'merging': 'busy',
        'finished': 'good',
        'failed': 'bad',
        'cancelled': 'stopped',
        'closed': 'stopped',
    },
    'attempt': {'finished': 'good', 'failed': 'bad', 'lost': 'bad', 'cancelled': 'stopped', 'returned': 'stopped'},
    'pilot': {'online': 'good', 'suspect': 'part', 'gone': 'stopped'},
    'queue': {'online': 'good', 'test': 'part', 'brokeroff': 'part', 'offline': 'stopped'},
}


def states_of(noun: str) -> List[str]:
    return list(_STATES[noun])


def state_cell(noun: str, state: str, style: Style, text: Optional[str] = None) -> Painted:
    """A state with its symbol; `text` says it with more words. One that a newer server knows is only busy to us."""
    tone = _TONES[_STATES[noun].get(state, 'busy')]
    symbol = tone.unicode if style.unicode else tone.ascii
    return Painted(f'{symbol} {state if text is None else text}', style.painter(tone.color))


def state_text(noun: str, state: str, style: Style, text: Optional[str] = None) -> str:
    cell = state_cell(noun, state, style, text)
    return cell.paint(cell.text)


def with_numbers(state: str, counts: Mapping[str, Any]) -> str:
    """A state never stands without its numbers: `finished 18/20, 2 failed`."""
    total = counts['total']
    if total == 0:
        return state
    failed = counts.get('failed', 0)
    cancelled = counts.get('cancelled', 0) + counts.get('closed', 0)
    rest = [f'{failed} failed'] * (failed > 0) + [f'{cancelled} cancelled'] * (cancelled > 0)
    return ', '.join([f'{state} {counts.get("finished", 0)}/{total}', *rest])
