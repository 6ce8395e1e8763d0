"""The promises of docs/semantics.md are held by tests that exist."""

import re
from pathlib import Path

import pytest

DOCUMENT = Path(__file__).parents[2] / "docs" / "semantics.md"
PROMISES = [line for line in DOCUMENT.read_text().splitlines() if line.startswith("- ")]
LINKS = re.findall(r"\]\(([^)#]+)#([^)]+)\)", DOCUMENT.read_text())


@pytest.mark.parametrize(("path", "test"), sorted(set(LINKS)))
def test_a_link_points_to_an_existing_test(path, test):
    assert re.search(rf"^ *(async )?def {test}\(", (DOCUMENT.parent / path).read_text(), re.MULTILINE)


@pytest.mark.parametrize("promise", PROMISES)
def test_every_promise_names_the_test_that_holds_it_and_only_advice_has_none(promise):
    if re.search(r"\b(MUST)\b", promise):
        assert "](../tests/" in promise
    else:
        assert "SHOULD" in promise or "](../tests/" in promise


def test_the_document_makes_promises():
    assert len(PROMISES) > 50
    assert len(LINKS) > 50
