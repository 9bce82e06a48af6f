"""OpenStack's own black-box tests of this API, against a server of ours and a real Keystone."""
