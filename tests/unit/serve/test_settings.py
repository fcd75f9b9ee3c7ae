"""A service that others could reach does not start without a token."""

import pytest

from seesay.base.errors import UsageError
from seesay.serve.settings import Settings


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "localhost", "::1", "[::1]"])
def test_this_machine_needs_no_token(host):
    assert Settings(host=host).is_local


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.7", "example.org", "localhost.example.org", ""])
def test_any_other_address_needs_a_token_and_says_how(host):
    with pytest.raises(UsageError, match="add --token"):
        Settings(host=host)
    assert Settings(host=host, token="a long secret").token


@pytest.mark.parametrize("token", ["", "short", "línea de más", "with a\nline break"])
def test_a_token_that_is_short_or_cannot_be_sent_is_refused(token):
    with pytest.raises(UsageError, match="at least 8 characters"):
        Settings(token=token)
