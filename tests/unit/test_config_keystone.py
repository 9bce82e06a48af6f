"""How Keystone is reached: settings, and those of OpenStack's middleware."""

from __future__ import annotations

from pathlib import Path

import pytest

from maestrale.config import ConfigError, DatabaseSettings, SecuritySettings, Settings, key_file, load
from maestrale.keystone.settings import KeystoneSettings

AUTHTOKEN = """
[DEFAULT]
debug = True
[keystone_authtoken]
auth_url = https://keystone:5000
username = mistral
password = s%cret
user_domain_name = Services
project_domain_id = default
cafile = /ca.pem
insecure = yes
memcached_servers = here
"""


@pytest.mark.parametrize(
    "address", ["http://k:5000", "http://k:5000/", "http://k:5000/v3", "http://k:5000/v2.0"]
)
def test_the_address_of_the_api(address: str) -> None:
    assert KeystoneSettings(auth_url=address).url == "http://k:5000/v3"


def test_what_is_not_set_comes_from_the_file_of_the_middleware(tmp_path: Path) -> None:
    file = tmp_path / "mistral.conf"
    file.write_text(AUTHTOKEN)
    own = KeystoneSettings(username="maestrale", authtoken_file=str(file), timeout=3)
    assert own.completed() == KeystoneSettings(
        auth_url="https://keystone:5000",
        username="maestrale",
        password="s%cret",
        user_domain_name="Services",
        project_domain_id="default",
        cafile="/ca.pem",
        insecure=True,
        timeout=3,
        authtoken_file=str(file),
    )


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[DEFAULT]\n", "has no section"),
        ("[keystone_authtoken]\nauth_url = http://k\n", "lacks username, password"),
        ("password = secret\n", "is not a settings file of OpenStack"),
        ("[keystone_authtoken]\nsecret\n", "is not a settings file of OpenStack (line 2)"),
    ],
)
def test_a_file_that_does_not_help(tmp_path: Path, text: str, words: str) -> None:
    file = tmp_path / "mistral.conf"
    file.write_text(text)
    with pytest.raises(ValueError) as raised:
        KeystoneSettings(authtoken_file=str(file)).completed()
    assert words in str(raised.value)
    assert "secret" not in str(raised.value)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cannot be read: No such file"):
        KeystoneSettings(authtoken_file=str(tmp_path / "none")).completed()


@pytest.mark.parametrize(
    ("name", "value"), [("AUTH_URL", "keystone"), ("CACHE_TIME", "-1"), ("CACHE_SIZE", "0"), ("TIMEOUT", "0")]
)
def test_settings_that_make_no_sense(name: str, value: str) -> None:
    with pytest.raises(ConfigError, match=f"keystone.{name.lower()}"):
        load({}, {f"MAESTRALE_KEYSTONE_{name}": value})


def test_secrets_are_not_shown() -> None:
    variables = {"MAESTRALE_KEYSTONE_PASSWORD": "hidden", "MAESTRALE_SECURITY_KEYS": "a:hidden"}
    shown = {f"{one.section}.{one.name}": one.shown for one in load({}, variables)}
    assert (shown["keystone.password"], shown["security.keys"]) == ("***", "***")
    assert load({}, {}).settings.keystone.password == ""


def test_where_keys_stand(tmp_path: Path) -> None:
    database = tmp_path / "maestrale.db"
    assert key_file(Settings(), database) == tmp_path / "maestrale.db.keys"
    assert key_file(Settings(security=SecuritySettings(keys=("a:b",))), None) is None
    assert key_file(Settings(security=SecuritySettings(key_file="/keys")), None) == Path("/keys")
    with pytest.raises(ConfigError, match="there are no keys to protect them"):
        key_file(Settings(database=DatabaseSettings("postgresql://host/name")), None)
    with pytest.raises(ConfigError, match="Both"):
        key_file(Settings(security=SecuritySettings(("a:b",), "f")), database)
