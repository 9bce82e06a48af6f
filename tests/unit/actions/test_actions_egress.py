from __future__ import annotations

import pytest

from maestrale.actions.egress import Egress, HostNotAllowed, HttpSettings

DEFAULT = Egress(HttpSettings())


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.8.8.8",
        "0.0.0.0",
        "0.1.2.3",
        "10.1.2.3",
        "100.100.100.200",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.0.1",
        "::1",
        "::",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::ffff:0.0.0.0",
        "64:ff9b::a9fe:a9fe",
        "2002:7f00:1::",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fe80::1%eth0",
    ],
)
def test_the_neighbourhood_is_blocked_by_default(address: str) -> None:
    with pytest.raises(HostNotAllowed) as caught:
        DEFAULT.check_address("some.name", address)
    assert caught.value.message == f"URL host 'some.name' resolves to a blocked address ({address})"
    assert "std_http.denied_cidrs" in caught.value.hint
    assert "MAESTRALE_STD_HTTP_DENIED_CIDRS" in caught.value.hint


@pytest.mark.parametrize(
    "address",
    [
        "93.184.216.34",
        "172.32.0.1",
        "11.0.0.1",
        "2606:2800:220:1::1",
        "::ffff:93.184.216.34",
        "64:ff9b::5db8:d822",
    ],
)
def test_the_internet_is_allowed(address: str) -> None:
    DEFAULT.check_address("some.name", address)


def test_the_unspecified_address_is_loopback() -> None:
    only_loopback = Egress(HttpSettings(denied_cidrs=("127.0.0.0/8", "::1/128")))
    for address in ("0.0.0.0", "::", "::ffff:0.0.0.0"):
        with pytest.raises(HostNotAllowed):
            only_loopback.check_address("h", address)


def test_an_empty_list_allows_every_address() -> None:
    Egress(HttpSettings(denied_cidrs=())).check_address("h", "127.0.0.1")


def test_a_network_may_be_written_with_host_bits() -> None:
    with pytest.raises(HostNotAllowed):
        Egress(HttpSettings(denied_cidrs=("11.1.1.1/8",))).check_address("h", "11.2.3.4")


def test_a_misspelt_network_is_refused_when_the_settings_are_made() -> None:
    with pytest.raises(ValueError, match=r"std_http\.denied_cidrs: '10\.0\.0/8' is not a network"):
        HttpSettings(denied_cidrs=("10.0.0/8",))


@pytest.mark.parametrize("scheme", ["ftp", "file", "ws", ""])
def test_only_http_and_https(scheme: str) -> None:
    with pytest.raises(HostNotAllowed, match=f"URL scheme '{scheme}' is not allowed"):
        DEFAULT.check_url(scheme, "h")


@pytest.mark.parametrize("host", [None, ""])
def test_a_host_is_needed(host: str | None) -> None:
    with pytest.raises(HostNotAllowed, match="has no host"):
        DEFAULT.check_url("http", host)


def test_allowed_hosts_are_the_only_ones() -> None:
    egress = Egress(HttpSettings(allowed_hosts=("API.example.org",)))
    egress.check_url("https", "api.example.org")
    egress.check_url("https", "Api.Example.org.")
    with pytest.raises(HostNotAllowed, match=r"'example\.org' is not one of the allowed hosts") as caught:
        egress.check_url("https", "example.org")
    assert "MAESTRALE_STD_HTTP_ALLOWED_HOSTS" in caught.value.hint
