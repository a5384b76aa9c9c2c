"""Results of many jobs, found by their arguments or keys."""

from __future__ import annotations

from typing import Any, Dict, Mapping, NamedTuple, Optional, Sequence, Tuple

from .._by_args import ByArgs
from .._calls import Outcome
from ._ids import get_unique_id_for_dict


class MapResult:
    """Values by the arguments that gave them, or by their keys (`get_unique_id_for_dict`)."""

    def __init__(self) -> None:
        #: By key, and by `name:key`.
        self._entries: Dict[str, _Entry] = {}
        self._named: Dict[str, _Entry] = {}
        self._by_args: ByArgs[str] = ByArgs([])
        self._scope: Any = None

    @classmethod
    def _of(cls, keyed: Sequence[Tuple[Any, Optional[str], Optional[Outcome]]], name: str, scope: Any) -> MapResult:
        results = cls()
        results._scope = scope
        pairs = []
        for args, key, outcome in keyed:
            key = key or get_unique_id_for_dict(args)
            pairs.append((args, key))
            if outcome:
                results._keep(name, key, _Entry(outcome.value, outcome))
        results._by_args = ByArgs(pairs)
        return results

    def add_result(
        self,
        name: Optional[str] = None,
        args: Any = None,
        key: Optional[str] = None,
        result: Any = None,
        details: Optional[Mapping[str, Any]] = None,
    ) -> None:
        """Keeps a value under a key, or under that of its arguments, with what else is known of it."""
        self._keep(name, self._key(args, key), _Entry(result, None, details))

    def set_result(
        self,
        name: Optional[str] = None,
        args: Any = None,
        key: Optional[str] = None,
        value: Any = None,
        verbose: bool = False,
        details: Optional[Mapping[str, Any]] = None,
    ) -> None:
        """As `add_result`."""
        self.add_result(name, args, key, value, details)

    def has_result(self, name: Optional[str] = None, args: Any = None, key: Optional[str] = None) -> bool:
        """Whether there is a value, be it None. Of a job that failed, or has not ended, there is none."""
        entry = self._find(name, args, key)
        return entry is not None and entry.is_value()

    def get_result(
        self,
        name: Optional[str] = None,
        args: Any = None,
        key: Optional[str] = None,
        verbose: bool = False,
        with_details: bool = False,
    ) -> Any:
        """A value by its arguments or key; raises the error of a job that failed, and KeyError when there is none.
        With details: the value, and a dict of `status`, `error` and `metrics` (start_time and end_time); None and that
        of a job that failed."""
        entry = self._find(name, args, key)
        if entry is None:
            raise KeyError(f'there is no result of {args if key is None else key!r}')
        if with_details:
            return entry.value, entry.known(self._scope)
        if entry.outcome and entry.outcome.error:
            raise entry.outcome.error
        return entry.value

    def get_all_results(self) -> Dict[str, Any]:
        """All values by their keys."""
        return _values_in(self._entries)

    def get_dict_results(self) -> Dict[str, Dict[str, Any]]:
        """All values: `results` by their keys, `name_results` by `name:key`."""
        return {'results': _values_in(self._entries), 'name_results': _values_in(self._named)}

    def set_from_dict_results(self, results: Mapping[str, Mapping[str, Any]]) -> None:
        """Keeps what `get_dict_results` gave, and nothing else."""
        self._entries = _entries_of(results.get('results', {}))
        self._named = _entries_of(results.get('name_results', {}))

    def _keep(self, name: Optional[str], key: str, entry: _Entry) -> None:
        self._entries[key] = entry
        if name is not None:
            self._named[f'{name}:{key}'] = entry

    def _find(self, name: Optional[str], args: Any, key: Optional[str]) -> Optional[_Entry]:
        key = self._key(args, key)
        return self._named.get(f'{name}:{key}', self._entries.get(key))

    def _key(self, args: Any, key: Optional[str]) -> str:
        if key is not None:
            return key
        return self._by_args[args] if args in self._by_args else get_unique_id_for_dict(args)

    def __len__(self) -> int:
        return len(self.get_all_results())

    def __repr__(self) -> str:
        return f'MapResult({self.get_all_results()!r})'


class _Entry(NamedTuple):
    value: Any
    outcome: Optional[Outcome] = None
    details: Optional[Mapping[str, Any]] = None

    def is_value(self) -> bool:
        return self.outcome is None or self.outcome.ok

    def known(self, scope: Any) -> Mapping[str, Any]:
        if self.details is not None:
            return self.details
        error = self.outcome.error if self.outcome else None
        metrics = metrics_of(scope, self.outcome.job_id) if self.outcome else {}
        return {'status': error is None, 'error': str(error) if error else None, 'metrics': metrics}


def _values_in(entries: Mapping[str, _Entry]) -> Dict[str, Any]:
    return {key: entry.value for key, entry in entries.items() if entry.is_value()}


def _entries_of(values: Mapping[str, Any]) -> Dict[str, _Entry]:
    return {key: _Entry(value) for key, value in values.items()}


def metrics_of(scope: Any, job_id: str) -> Dict[str, Any]:
    """When its last attempt ran; nothing of a job that ran in this process."""
    if scope is None or scope.run_here:
        return {}
    last = scope.client.get(f'/v1/jobs/{job_id}')['attempts'][-1:]
    return {'start_time': last[0]['startedAt'], 'end_time': last[0]['endedAt']} if last else {}
