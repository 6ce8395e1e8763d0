from http.cookies import SimpleCookie

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transcriber.errors import ConfigError
from transcriber.web.access import TICKETS, Access

TOKEN = "a" * 43


def cookies_of(access):
    cookie = SimpleCookie(access.cookie("/", secure=False))
    return {name: morsel.value for name, morsel in cookie.items()}


def test_the_token_opens_as_a_header_and_as_a_cookie():
    access = Access(TOKEN)
    assert access.allows(f"Bearer {TOKEN}", {})
    assert access.allows("", cookies_of(access))


@given(st.text(max_size=60))
def test_nothing_else_opens(text):
    access = Access(TOKEN)
    assert not access.allows(f"Bearer {text}", {})
    assert not access.allows(text, {})
    assert not access.allows("", dict.fromkeys(cookies_of(access), text))


def test_a_wrong_header_is_not_made_good_by_the_cookie():
    access = Access(TOKEN)
    assert not access.allows("Bearer wrong", cookies_of(access))


def test_tokens_are_random_long_and_the_runs_own():
    one, other = Access(), Access()
    assert cookies_of(one) != cookies_of(other)
    assert len(*cookies_of(one).values()) == 43, "256 bits in base64"
    assert cookies_of(one).keys() != cookies_of(other).keys(), "runs on one machine share their cookies"
    assert not other.allows("", cookies_of(one))


@pytest.mark.parametrize("token", ["", "short", "with spaces in it, and quite long", "ü" * 40])
def test_a_token_that_could_be_guessed_is_refused(token):
    with pytest.raises(ConfigError, match="128 bits"):
        Access(token)


def test_a_ticket_is_good_once():
    access = Access()
    ticket = access.ticket()
    assert access.redeem(ticket)
    assert not access.redeem(ticket)


@given(st.text(max_size=60))
def test_what_is_no_ticket_is_refused_and_spends_none(text):
    access = Access()
    ticket = access.ticket()
    assert not access.redeem(text)
    assert access.redeem(ticket)


def test_only_so_many_tickets_are_open():
    access = Access()
    tickets = [access.ticket() for _ in range(TICKETS + 1)]
    assert [access.redeem(ticket) for ticket in tickets] == [False, *[True] * TICKETS]


def test_a_cookie_is_out_of_reach_of_scripts_and_of_other_sites():
    access = Access()
    assert access.cookie("/status", secure=True).endswith("; Path=/status; HttpOnly; SameSite=Strict; Secure")
