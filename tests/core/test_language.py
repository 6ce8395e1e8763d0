import pytest

from transcriber.core.language import LanguageVote


@pytest.mark.parametrize(
    ("heard", "fixed"),
    [
        ("", None),
        ("en en", None),
        ("en en en", "en"),
        ("en de en", None),
        ("en de en en en", "en"),
        ("en en en de de de de", "en"),
        ("cy en en en", "en"),
    ],
)
def test_a_language_is_believed_after_three_utterances_in_a_row(heard, fixed):
    vote = LanguageVote()
    for language in heard.split():
        vote.heard(language)
    assert vote.fixed == fixed


def test_a_language_that_was_given_is_kept():
    vote = LanguageVote("de")
    for _ in range(5):
        vote.heard("en")
    assert vote.fixed == "de"
