"""What each setting means and accepts, in words.

Both are read off its type, so that messages and documents cannot disagree with what is checked.
"""

from typing import Any, cast

from msgspec import inspect

from transcriber.settings.schema import Settings


def accepted(kind: Any) -> str:  # noqa: ANN401 - an annotation has no type
    """Return what values of an annotated type may be.

    >>> from typing import Annotated, Literal
    >>> from msgspec import Meta
    >>> accepted(Annotated[float, Meta(ge=0.5, le=2)])
    'a number from 0.5 to 2'
    >>> accepted(Literal["cpu", "cuda"])
    'one of cpu, cuda'
    """
    match inspect.type_info(kind):
        case inspect.Metadata(extra={"accepted": str(words)}):
            return words
        case inspect.Metadata(type=inner):
            return _described(inner)
        case plain:
            return _described(plain)


def _described(kind: inspect.Type) -> str:
    match kind:
        case inspect.LiteralType(values=values):
            return f"one of {', '.join(map(str, values))}"
        case inspect.BoolType():
            return "true or false"
        case inspect.IntType(ge=low, le=high, multiple_of=step):
            noun = {None: "a whole number", 2: "an even number"}.get(step, f"a multiple of {step}")
            return f"{noun} from {low} to {high}"
        case inspect.FloatType(ge=low, le=high):
            return f"a number from {low:g} to {high:g}"
        case inspect.StrType(min_length=low, max_length=high):
            return f"text{' that is not empty' if low else ''}{f' of at most {high} characters' if high else ''}"
        case inspect.VarTupleType(item_type=item, min_length=low, max_length=high):
            noun = "tables" if isinstance(item, inspect.StructType) else "texts"
            return f"an array of {low or 0} to {high} {noun}"
        case _:
            raise NotImplementedError(f"no setting had the type {kind!r} before: say here what it accepts")


def descriptions() -> dict[str, str]:
    """Return what every table and every dotted key means; the keys of a track are `tracks.source` and so on."""
    found: dict[str, str] = {}
    for section in _fields(Settings):
        match section.type:
            case (
                inspect.StructType(cls=cls)
                | inspect.Metadata(type=inspect.VarTupleType(item_type=inspect.StructType(cls=cls)))
            ):
                found[section.name] = (cls.__doc__ or "").partition("\n")[0]
                found |= {f"{section.name}.{field.name}": _description(field.type) for field in _fields(cls)}
            case other:
                raise NotImplementedError(f"{section.name} is neither a table nor an array of tables: {other!r}")
    return found


def _fields(section: type) -> tuple[inspect.Field, ...]:
    return cast("inspect.StructType", inspect.type_info(section)).fields


def _description(kind: inspect.Type) -> str:
    match kind:
        case inspect.Metadata(extra_json_schema={"description": str(text)}):
            return text
        case _:
            raise NotImplementedError(f"a setting without a description: {kind!r}")
