"""Mutations: the small mistakes that `mutants.py` puts into a module, one at a time.

A number in a function is off by one. A number that is read at import is mostly a tuning value, of which a little more
is a matter of taste: it is off by an order of magnitude.

What is left alone, because no test of behaviour could or should tell: docstrings, annotations, casts, decorators,
imports, assertions, the bases and keywords of classes, how fields are declared, and the text of what is raised.
"""

import ast
from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass


def _sign(sign: str) -> type[ast.AST]:
    """Return the node that an operator is parsed to."""
    found = ast.parse(f"a {sign} b", mode="eval").body
    return type(found.ops[0] if isinstance(found, ast.Compare) else found.op)


_COMPARISONS = {
    _sign(sign): [_sign(other) for other in others]
    for sign, *others in (
        *(("<", "<=", ">="), ("<=", "<", ">"), (">", ">=", "<="), (">=", ">", "<")),
        *(("==", "!="), ("!=", "=="), ("is", "is not"), ("is not", "is"), ("in", "not in"), ("not in", "in")),
    )
}
_OPERATORS = {
    _sign(sign): _sign(other)
    for sign, other in (
        *(("+", "-"), ("-", "+"), ("*", "/"), ("/", "*"), ("//", "*"), ("%", "//"), ("**", "*")),
        *(("&", "|"), ("|", "&"), ("<<", ">>"), (">>", "<<")),
    )
}
_OPPOSITES = (
    *(("min", "max"), ("any", "all"), ("floor", "ceil"), ("popleft", "pop"), ("startswith", "endswith")),
    *(("partition", "rpartition"), ("lstrip", "rstrip")),
)
_NAMES = {one: other for pair in _OPPOSITES for one, other in (pair, pair[::-1])}
_DECLARING = {"init", "repr", "default_factory", "strict"}
"""Arguments that declare or assert something."""

_LEFT_ALONE = {"annotation", "returns", "type_params", "decorator_list", "bases", "ctx", "op", "ops"}


@dataclass(frozen=True, slots=True)
class Mutant:
    """A module with one mistake, on `lines`. `loading`: the mistake is made when the module is imported."""

    lines: range
    loading: bool
    before: str
    after: str
    _parent: ast.AST
    _field: str
    _index: int | None
    _node: ast.AST

    def apply(self) -> None:
        """Make the mistake in the tree that the mutant is from. It cannot be taken back."""
        if self._index is None:
            setattr(self._parent, self._field, self._node)
        else:
            getattr(self._parent, self._field)[self._index] = self._node


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a node stands: the lines of its statement, in a function or not, in an error's text or not."""

    lines: range = range(0)
    loading: bool = True
    error: bool = False

    def of(self, node: ast.AST, field: str) -> "_Place":
        """Return the place of what stands in a field of a node that stands here."""
        lines, loading, error = self.lines, self.loading, self.error
        if isinstance(node, ast.stmt | ast.match_case | ast.ExceptHandler):
            lines = _lines(node)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) and field == "body":
            loading = False
        return _Place(lines, loading, error or isinstance(node, ast.Raise))


def mutants(tree: ast.Module) -> Iterator[Mutant]:
    """Yield every mutant of a module, in the order of the text."""
    return _below(tree, _Place())


def _below(node: ast.AST, place: _Place) -> Iterator[Mutant]:
    for field, value in ast.iter_fields(node):
        if field in _LEFT_ALONE or (isinstance(node, ast.ClassDef) and field == "keywords"):
            continue
        below = place.of(node, field)
        for index, child in enumerate(value) if isinstance(value, list) else [(None, value)]:
            if not isinstance(child, ast.AST) or _is_left_alone(child):
                continue
            spot = below.of(child, "")
            for changed in _changes(child, field, spot):
                texts = ast.unparse(child), ast.unparse(ast.fix_missing_locations(changed))
                yield Mutant(spot.lines, spot.loading, *texts, node, field, index, changed)
            yield from _below(child, below)


def _is_left_alone(node: ast.AST) -> bool:
    match node:
        case ast.Import() | ast.ImportFrom() | ast.Assert() | ast.TypeAlias() | ast.Expr(ast.Constant()):
            return True
        case ast.Expr(ast.Call(ast.Name("assert_never"))) | ast.Call(ast.Name("cast")):
            return True
        case ast.keyword(arg=name, value=value):
            return name in _DECLARING and not isinstance(value, ast.Lambda)
        case _:
            return False


def _lines(node: ast.stmt | ast.match_case | ast.ExceptHandler) -> range:
    """Return the lines of a statement, or of the head of one that contains others."""
    start = node.pattern.lineno if isinstance(node, ast.match_case) else node.lineno
    inner = getattr(node, "body", None) or getattr(node, "cases", None)
    if inner:
        first = inner[0].pattern if isinstance(inner[0], ast.match_case) else inner[0]
        return range(start, max(first.lineno, start + 1))
    return range(start, (getattr(node, "end_lineno", None) or start) + 1)


def _changes(node: ast.AST, field: str, place: _Place) -> Iterator[ast.AST]:
    """Yield what may stand in the place of a node."""
    if field in {"test", "guard", "ifs"} and not _is_negatable_otherwise(node):
        yield ast.copy_location(ast.UnaryOp(ast.Not(), node), node)
    match node:
        case ast.Constant() if not place.error:
            yield from _constants(node, place)
        case ast.expr():
            yield from _expressions(node)
        case ast.stmt():
            yield from _statements(node)
        case ast.ExceptHandler():
            yield _with(node, body=[ast.Raise()])
        case _:
            pass


def _is_negatable_otherwise(node: ast.AST) -> bool:
    return isinstance(node, ast.Constant | ast.Compare) or (
        isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not)
    )


def _constants(node: ast.Constant, place: _Place) -> Iterator[ast.AST]:
    match node.value:
        case bool(value):
            yield _with(node, value=not value)
        case int(value) | float(value):
            yield _with(node, value=10 * value + 1 if place.loading else value + 1)
        case str(value):
            yield _with(node, value=f"XX{value}XX")
        case bytes(value):
            yield _with(node, value=b"XX" + value)
        case _:
            pass


def _expressions(node: ast.expr) -> Iterator[ast.AST]:
    match node:
        case ast.Compare(ops=ops):
            for index, op in enumerate(ops):
                for other in _COMPARISONS[type(op)]:
                    yield _with(node, ops=[*ops[:index], other(), *ops[index + 1 :]])
        case ast.BinOp(op=op) if type(op) in _OPERATORS:
            yield _with(node, op=_OPERATORS[type(op)]())
        case ast.BoolOp(op=op):
            yield _with(node, op=ast.Or() if isinstance(op, ast.And) else ast.And())
        case ast.UnaryOp(op=ast.Not() | ast.USub(), operand=operand):
            yield operand
        case ast.Name(id=name) if name in _NAMES:
            yield _with(node, id=_NAMES[name])
        case ast.Attribute(attr=name) if name in _NAMES:
            yield _with(node, attr=_NAMES[name])
        case ast.Call(keywords=keywords):
            named = [keyword for keyword in keywords if keyword.arg not in {None, *_DECLARING}]
            yield from (_with(node, keywords=[one for one in keywords if one is not left]) for left in named)
        case ast.Slice(lower=lower, upper=upper):
            yield from (_with(node, **{side: None}) for side, end in {"lower": lower, "upper": upper}.items() if end)
        case _:
            pass


def _statements(node: ast.stmt) -> Iterator[ast.AST]:
    match node:
        case ast.Expr() | ast.Raise() | ast.Delete() | ast.AugAssign():
            yield ast.copy_location(ast.Pass(), node)
        case ast.Assign(targets=[ast.Attribute() | ast.Subscript(), *_]):
            yield ast.copy_location(ast.Pass(), node)
        case ast.Return(value=ast.expr() as value) if not isinstance(value, ast.Constant) or value.value:
            yield _with(node, value=ast.copy_location(ast.Constant(None), node))
        case ast.Break():
            yield ast.copy_location(ast.Continue(), node)
        case ast.Continue():
            yield ast.copy_location(ast.Break(), node)
        case _:
            pass
    if isinstance(node, ast.AugAssign) and type(node.op) in _OPERATORS:
        yield _with(node, op=_OPERATORS[type(node.op)]())


def _with(node: ast.AST, **fields: object) -> ast.AST:
    """Return a copy of a node with other fields."""
    changed = copy(node)
    for name, value in fields.items():
        setattr(changed, name, value)
    return changed
