"""Segments: the source text of one function or class, at the place where it stood, and the code that it makes.

A segment keeps the lines and columns of its file or cell, so that a traceback on the worker points to where the user
wrote it, and shows his own text there.
"""

from __future__ import annotations
import __future__

import ast
import contextlib
import functools
import inspect
import linecache
import os
import sys
from types import CodeType, FunctionType
from typing import Any, Dict, Iterator, List, NamedTuple, Optional, Sequence, Tuple, Union, cast

FunctionNode = Union[ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda]
StatementNode = Union[ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef]

#: What `from __future__ import …` sets in the code below it.
FUTURE_FLAGS = functools.reduce(
    lambda flags, name: flags | getattr(__future__, name).compiler_flag, __future__.all_feature_names, 0
)
#: A cell may await outside any function.
_PARSE_FLAGS = ast.PyCF_ONLY_AST | ast.PyCF_ALLOW_TOP_LEVEL_AWAIT
#: Of a function that is compiled inside another one.
_CO_NESTED = 0x10


class Segment(NamedTuple):
    """`text` begins with the line number `line` of `file`; what stood before it on that line is blank."""

    file: str
    line: int
    text: str


def typed(file: str) -> bool:
    """Whether code of this file name was typed in: no file has such a name."""
    return file.startswith('<') and file.endswith('>')


# Where it stands


def segment_of_function(fn: FunctionType) -> Optional[Segment]:
    """The source of a function, if there is one that gives this very code.

    Of several lambdas on a line it is the one with this code at this column; those that differ in nothing are each as
    good as the other, since what they are bound to is not taken from the source.
    """
    code = fn.__code__
    for _ in range(2):
        text = _text_around(fn)
        nodes = [n for n in _functions(text) if _first_line(n) == code.co_firstlineno and _name(n) == code.co_name]
        found = [_cut(code.co_filename, text, node) for node in nodes]
        same = [s for s in found if _is_same(function_code(s, code.co_name, code.co_freevars, code.co_flags), code)]
        if same:
            return next((s for s in same if _lines(s, code) == _table(code)), same[0])
        linecache.checkcache(code.co_filename)  # It may have been read before the file was changed and loaded again.
    return None


def segment_of_class(kind: type) -> Optional[Segment]:
    """The source of a class at the top level of a file or cell: by its methods, else the newest that has its members."""
    for file, text in _texts_of_class(kind):
        line = kind.__dict__.get('__firstlineno__')  # Python 3.13
        for node in reversed(list(_statements(text, kind.__name__))):
            if isinstance(node, ast.ClassDef) and line in (None, _first_line(node)) and _has_members(kind, node):
                return _cut(file, text, node, decorated=True)
    return None


def segment_of_definition(fn: FunctionType) -> Optional[Segment]:
    """The source of a function at the top level of a file or cell, with its decorators."""
    code, text = fn.__code__, _text_around(fn)
    nodes = [n for n in _statements(text, code.co_name) if _first_line(n) == code.co_firstlineno]
    return _cut(code.co_filename, text, nodes[-1], decorated=True) if nodes else None


def _text_around(fn: FunctionType) -> str:
    """That of the whole file or cell. The prompt keeps what was typed apart since Python 3.13, where `inspect` finds it."""
    lines = linecache.getlines(fn.__code__.co_filename, fn.__globals__)
    with contextlib.suppress(OSError, TypeError):
        lines = lines or inspect.findsource(fn)[0]
    return ''.join(lines)


def scope_of_class(kind: type) -> Dict[str, Any]:
    """The global variables where it is defined."""
    own = next(_own_methods(kind), None)
    return own.__globals__ if own else vars(sys.modules.get(kind.__module__, sys.modules['__main__']))


def _own_methods(kind: type) -> Iterator[FunctionType]:
    """Those of its source: `dataclass` and others make more."""
    for member in vars(kind).values():
        fn = getattr(member, '__func__', getattr(member, 'fget', member))
        is_own = isinstance(fn, FunctionType) and fn.__globals__.get('__name__') == kind.__module__
        if is_own and fn.__code__.co_filename != '<string>':
            yield fn


def _texts_of_class(kind: type) -> List[Tuple[str, str]]:
    """Files or cells that may define a class, and their text."""
    own = next(_own_methods(kind), None)
    if own:
        return [(own.__code__.co_filename, _text_around(own))]
    scope = scope_of_class(kind)
    cells = [name for name, entry in linecache.cache.items() if len(entry) == 4 and entry[1] is None]
    newest = sorted(cells, key=lambda name: cell_number(name) or 0, reverse=True)
    file = scope.get('__file__')
    return [(name, ''.join(linecache.getlines(name, scope))) for name in (*newest, *([file] if file else []))]


def _has_members(kind: type, node: ast.ClassDef) -> bool:
    names: List[str] = []
    for statement in node.body:
        if isinstance(statement, ast.Assign):
            names += [target.id for target in statement.targets if isinstance(target, ast.Name)]
        elif isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name):
            names.append(statement.target.id)
        elif isinstance(statement, (ast.FunctionDef, ast.AsyncFunctionDef)):
            names.append(statement.name)
    annotated = getattr(kind, '__annotations__', {})
    return all(hasattr(kind, name) or name in annotated for name in names if not name.startswith('__'))


def _functions(text: str) -> Iterator[FunctionNode]:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)
    return (node for node in _nodes(text) if isinstance(node, kinds))


def _statements(text: str, name: str) -> Iterator[StatementNode]:
    """Definitions of this name outside of functions and classes; they may be inside an `if`."""
    tree = _parsed(text)
    waiting: List[ast.AST] = [tree] if tree else []
    while waiting:
        node = waiting.pop(0)
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            if node.name == name:
                yield node
        elif isinstance(node, (ast.Module, ast.stmt, ast.ExceptHandler)):
            waiting += ast.iter_child_nodes(node)


@functools.lru_cache(maxsize=64)
def _nodes(text: str) -> Tuple[ast.AST, ...]:
    tree = _parsed(text)
    return tuple(ast.walk(tree)) if tree else ()


@functools.lru_cache(maxsize=64)
def _parsed(text: str) -> Optional[ast.Module]:
    try:
        tree = compile(text, '<source>', 'exec', _PARSE_FLAGS, dont_inherit=True)
    except (SyntaxError, ValueError):
        return None
    return tree if isinstance(tree, ast.Module) else None


def _first_line(node: Any) -> int:
    lines: List[int] = [node.lineno, *(d.lineno for d in getattr(node, 'decorator_list', []))]
    return min(lines)


def _name(node: FunctionNode) -> str:
    return '<lambda>' if isinstance(node, ast.Lambda) else node.name


def _cut(file: str, text: str, node: Any, decorated: bool = False) -> Segment:
    """Columns count bytes of UTF-8."""
    first = _first_line(node) if decorated else node.lineno
    lines = [line.encode('utf-8') for line in text.split('\n')[first - 1 : node.end_lineno]]
    lines[-1] = lines[-1][: node.end_col_offset]
    lines[0] = b' ' * node.col_offset + lines[0][node.col_offset :]
    return Segment(shown_name(file), first, b'\n'.join(lines).decode('utf-8') + '\n')


# What it makes


def function_code(segment: Segment, name: str, free: Sequence[str], flags: int) -> CodeType:
    """The code of a function. `free`: its variables of functions around it."""
    node = _function_node(segment, name)
    around = ast.parse(f'def _({", ".join(free)}): pass').body[0]
    assert isinstance(around, ast.FunctionDef)
    around.body = [ast.Expr(node) if isinstance(node, ast.Lambda) else node]
    tree = ast.fix_missing_locations(ast.Module([around], []))
    code = compile(tree, segment.file, 'exec', flags & FUTURE_FLAGS, dont_inherit=True)
    return next(c for c in _inner(next(_inner(code))) if c.co_name == name)


def _function_node(segment: Segment, name: str) -> FunctionNode:
    """Without what is evaluated where it is defined: decorators, defaults, annotations."""
    if name == '<lambda>':
        tree: Any = ast.parse(f'(\n{segment.text})', mode='eval')
        node, shift = tree.body, segment.line - 2
    elif segment.text[0].isspace():
        tree = ast.parse(f'if 1:\n{segment.text}')
        node, shift = tree.body[0].body[0], segment.line - 2  # type: ignore[attr-defined, unused-ignore]
    else:
        tree = ast.parse(segment.text)
        node, shift = tree.body[0], segment.line - 1
    ast.increment_lineno(tree, shift)
    arguments = node.args
    arguments.defaults = []
    arguments.kw_defaults = [None] * len(arguments.kwonlyargs)
    for argument in ast.walk(arguments):
        if isinstance(argument, ast.arg):
            argument.annotation = None
    if not isinstance(node, ast.Lambda):
        node.returns = None
        node.decorator_list = node.type_params = []
    return cast(FunctionNode, node)


def statement_code(segment: Segment, flags: int) -> CodeType:
    """The code of a definition, which binds its name."""
    indented = segment.text[0].isspace()
    tree = ast.parse(f'if 1:\n{segment.text}' if indented else segment.text)
    ast.increment_lineno(tree, segment.line - (2 if indented else 1))
    return cast(CodeType, compile(tree, segment.file, 'exec', flags & FUTURE_FLAGS, dont_inherit=True))


def _inner(code: CodeType) -> Iterator[CodeType]:
    return (const for const in code.co_consts if isinstance(const, CodeType))


_COMPARED = (
    *('co_code', 'co_names', 'co_varnames', 'co_freevars', 'co_cellvars'),
    *('co_argcount', 'co_posonlyargcount', 'co_kwonlyargcount'),
)


def _is_same(one: CodeType, other: CodeType) -> bool:
    if any(getattr(one, name) != getattr(other, name) for name in _COMPARED):
        return False
    if (one.co_flags ^ other.co_flags) & ~_CO_NESTED or len(one.co_consts) != len(other.co_consts):
        return False
    return all(map(_is_same_constant, one.co_consts, other.co_consts))


def _is_same_constant(one: Any, other: Any) -> bool:
    if isinstance(one, CodeType) and isinstance(other, CodeType):
        return _is_same(one, other)
    if isinstance(one, str) and isinstance(other, str):  # Before Python 3.11 names of inner functions are among them.
        return one.rpartition('<locals>.')[2] == other.rpartition('<locals>.')[2]
    return type(one) is type(other) and repr(one) == repr(other)


def _lines(segment: Segment, code: CodeType) -> Any:
    return _table(function_code(segment, code.co_name, code.co_freevars, code.co_flags))


def _table(code: CodeType) -> Any:
    return getattr(code, 'co_linetable', None)


# How it is shown

_shown: Dict[str, str] = {}


def shown_name(file: str) -> str:
    """The name of a file or cell in tracebacks. A cell keeps the number under which it was first met: run again
    unchanged it is the same source."""
    if file not in _shown:
        number = cell_number(file)
        name = f'<cell {number}>' if number else file if typed(file) else os.path.basename(file)
        taken = set(_shown.values())
        _shown[file] = next(n for n in (name, *(f'{name} ({i})' for i in range(2, len(taken) + 3))) if n not in taken)
    return _shown[file]


def cell_number(file: str) -> Optional[int]:
    """Of a cell of IPython the number of its last execution."""
    get_ipython = getattr(sys.modules.get('IPython'), 'get_ipython', None)
    shell = get_ipython() if get_ipython else None
    named = getattr(getattr(shell, 'compile', None), 'format_code_name', lambda file: None)(file)
    digits = ''.join(filter(str.isdigit, named[1])) if named else ''
    return int(digits) if digits else None


def show_in_tracebacks(segments: Sequence[Segment]) -> None:
    """Makes the text of segments known to `linecache`, which tracebacks read."""
    for file in {segment.file for segment in segments}:
        lines: Dict[int, str] = {}
        for segment in segments:
            if segment.file == file:
                for number, line in enumerate(segment.text.split('\n'), segment.line):
                    lines[number] = max(lines.get(number, ''), line, key=lambda text: len(text.strip()))
        text = [f'{lines.get(number, "")}\n' for number in range(1, max(lines) + 1)]
        linecache.cache[file] = (sum(map(len, text)), None, text, file)
