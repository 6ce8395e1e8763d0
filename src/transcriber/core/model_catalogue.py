"""The Whisper models that can be named: where they come from, what they are, and which one to take.

Revisions and checksums are those of the model hub's own listing, each compared in at least two independent records of
it; tiny.en's were also computed from the files. A revision names every file of a model, the checksum its weights.
"""

from collections.abc import Collection
from dataclasses import dataclass

from transcriber.errors import ConfigError

AUTO = "auto"


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """A model of the hub, converted to CTranslate2. `size` and `sha256` are those of its `model.bin`."""

    name: str
    repository: str
    revision: str
    size: int
    sha256: str
    english_only: bool = False


def _systran(name: str, revision: str, size: int, sha256: str) -> ModelEntry:
    return ModelEntry(name, f"Systran/faster-whisper-{name}", revision, size, sha256, name.endswith(".en"))


_ENTRIES = (
    _systran(
        "tiny.en",
        "0d3d19a32d3338f10357c0889762bd8d64bbdeba",
        75_537_502,
        "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
    ),
    _systran(
        "tiny",
        "d90ca5fe260221311c53c58e660288d3deb8d356",
        75_538_270,
        "dcb76c6586fc06cbdac6dd21f14cfd129cc4cdd9dce19bf4ffa62e59cbe6e6d1",
    ),
    _systran(
        "base.en",
        "3d3d5dee26484f91867d81cb899cfcf72b96be6c",
        145_216_508,
        "2a166925539a16005f14ff328359f9b9adb9dc4fb631bb3b227526862e93e2ef",
    ),
    _systran(
        "base",
        "ebe41f70d5b6dfa9166e2c581c45c9c0cfc57b66",
        145_217_532,
        "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
    ),
    _systran(
        "small.en",
        "d1d751a5f8271d482d14ca55d9e2deeebbae577f",
        483_545_366,
        "62b2a45b05ee59acb4a5341b33ee35e041395d378d418a18acfe4c9e768ee37a",
    ),
    _systran(
        "small",
        "536b0662742c02347bc0e980a01041f333bce120",
        483_546_902,
        "3e305921506d8872816023e4c273e75d2419fb89b24da97b4fe7bce14170d671",
    ),
    _systran(
        "medium.en",
        "a29b04bd15381511a9af671baec01072039215e3",
        1_527_904_330,
        "11b220779aea4c6f3ce9d2549c8a95ea869ed84066864b999531ef53e594fe5b",
    ),
    _systran(
        "medium",
        "08e178d48790749d25932bbc082711ddcfdfbc4f",
        1_527_906_378,
        "9b45e1009dcc4ab601eff815b61d80e60ce3fd8c74c1a14f4a282258286b51ae",
    ),
    ModelEntry(
        "large-v3-turbo",
        "mobiuslabsgmbh/faster-whisper-large-v3-turbo",
        "0a363e9161cbc7ed1431c9597a8ceaf0c4f78fcf",
        1_617_884_929,
        "e76620f83d5f5b69efd3d87e3dc180c1bd21df9fbebacfd4335e5e1efcc018da",
    ),
    ModelEntry(
        "distil-large-v3",
        "Systran/faster-distil-whisper-large-v3",
        "c3058b475261292e64a0412df1d2681c06260fab",
        1_512_927_867,
        "b79368e19b6623813609431a6e5ee309a71506701ebc49fd7820e692dec7c5f5",
        english_only=True,
    ),
    _systran(
        "large-v2",
        "f0fe81560cb8b68660e564f55dd99207059c092e",
        3_086_912_962,
        "bf2a9746382e1aa7ffff6b3a0d137ed9edbd9670c3b87e5d35f5e85e70d0333a",
    ),
    _systran(
        "large-v3",
        "edaa852ec7e145841d8ffdb056a99866b5f0a478",
        3_087_284_237,
        "69f74147e3334731bc3a76048724833325d2ec74642fb52620eda87352e3d4f1",
    ),
)

CATALOGUE = {entry.name: entry for entry in _ENTRIES}
"""Every model that has a name of its own, the fastest first."""

ALIASES = {"turbo": "large-v3-turbo", "large": "large-v3"}
"""Names that faster-whisper gives to models of the catalogue as well."""

_AUTO_SIZES = ("small", "base", "tiny", "large-v3-turbo", "distil-large-v3", "medium", "large-v3", "large-v2")
"""What `auto` prefers: the most accurate that two cores keep up with comes first (real-time factor of small: 0.3), then
what they do not keep up with, the fastest first."""


def entry_named(name: str) -> ModelEntry:
    """Return the model of this name.

    Raises:
        ConfigError: there is none.

    """
    try:
        return CATALOGUE[ALIASES.get(name, name)]
    except KeyError:
        known = ", ".join([*CATALOGUE, *ALIASES])
        raise ConfigError(f"engine.model: there is no model {name!r} and no such folder; there are {known}") from None


def best_present(present: Collection[str], language: str | None) -> str | None:
    """Return which of the models that are here `auto` takes for a language, None being any; None if none will do.

    >>> best_present({"tiny.en", "base"}, None)
    'base'
    >>> best_present({"tiny.en"}, "de") is None
    True
    """
    return next((name for name in _by_preference(language) if name in present), None)


def default_download(language: str | None) -> str:
    """Return the model that `auto` fetches when there is none."""
    return "base.en" if language == "en" else "base"


def check_language(name: str, *, english_only: bool, language: str | None) -> None:
    """Refuse a model that does not know the language.

    Raises:
        ConfigError: it names the model to use instead.

    """
    if english_only and language not in {None, "en"}:
        multilingual = name.removesuffix(".en")
        instead = multilingual if multilingual in CATALOGUE and multilingual != name else default_download(language)
        instead = "large-v3-turbo" if name.startswith("distil") else instead
        raise ConfigError(
            f"engine.model: {name} knows English only, not {language!r}: use --model {instead}, or --language en"
        )


def _by_preference(language: str | None) -> list[str]:
    multilingual = [size for size in _AUTO_SIZES if not CATALOGUE[size].english_only]
    english = [f"{size}.en" if f"{size}.en" in CATALOGUE else size for size in _AUTO_SIZES]
    match language:
        case "en":
            # Of one size the English model is the better one.
            pairs = [name for size in _AUTO_SIZES for name in (f"{size}.en", size)]
            return [name for name in pairs if name in CATALOGUE]
        case None:
            return [*multilingual, *(name for name in english if CATALOGUE[name].english_only)]
        case _:
            return multilingual
