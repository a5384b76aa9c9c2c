"""Lists come in pages."""

from __future__ import annotations

from typing import Any, Dict, Iterator, List, Mapping, Optional, Sequence, Union

from .._client import Client

#: One thing of a list, as the server tells it.
Row = Mapping[str, Any]

Query = Mapping[str, Union[str, int, Sequence[str], None]]


def pages_of(client: Client, path: str, query: Query, most: Optional[int] = None) -> Iterator[List[Row]]:
    """Page by page, `most` pages at most. What is None in the query is left out."""
    asked: Dict[str, Union[str, int, Sequence[str]]] = {name: value for name, value in query.items() if value is not None}
    n = 0
    while most is None or n < most:
        page = client.get(path, asked)
        yield page['items']
        if not page['next']:
            return
        asked['after'] = page['next']
        n += 1


def rows_of(client: Client, path: str, query: Query, most: Optional[int] = None) -> List[Row]:
    return [row for page in pages_of(client, path, query, most) for row in page]


def first_found(client: Client, path: str, query: Query) -> List[Row]:
    """The first page that has something: where much had to be looked at, one may have nothing, and a `next`."""
    return next((items for items in pages_of(client, path, query) if items), [])
