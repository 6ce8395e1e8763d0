"""Which language a track speaks, when nobody said."""

from collections import deque
from dataclasses import dataclass, field

AGREEING = 3
"""Utterances in a row that must be detected as one language before the track is taken to speak it."""


@dataclass(slots=True)
class LanguageVote:
    """Detects until `AGREEING` utterances in a row agree, then keeps to their language.

    A single short utterance is often detected wrongly, so the first answer is not believed; and detecting for ever
    would let one cough turn an English meeting into Welsh. Whisper itself decides once, from the first 30 s.
    """

    fixed: str | None = None
    _heard: deque[str] = field(default_factory=lambda: deque(maxlen=AGREEING))

    def heard(self, language: str) -> None:
        """Take the language that was detected for an utterance with words."""
        self._heard.append(language)
        if self.fixed is None and len(self._heard) == AGREEING and len(set(self._heard)) == 1:
            self.fixed = language
