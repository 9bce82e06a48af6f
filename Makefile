# Two commands for everybody: `make demo` shows what this is, `make test` checks everything.
# Both install what they need into .venv first, and write nothing outside this folder.

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
TEST := .test

# Tests and demo must not see the settings, and not touch the data, of the person who runs them.
unexport $(filter MAESTRALE_% OS_% MISTRAL_%,$(.VARIABLES)) PYTHONPATH PYTHONHOME PIP_USER PIP_TARGET PIP_PREFIX

HERE := $(CURDIR)/$(TEST)
SANDBOX := XDG_DATA_HOME="$(HERE)/data" XDG_CONFIG_HOME="$(HERE)/config" XDG_CACHE_HOME="$(HERE)/cache" \
	XDG_STATE_HOME="$(HERE)/state" TMPDIR="$(HERE)/tmp" COVERAGE_FILE="$(HERE)/coverage"
CORE_FOLDERS := tests/unit/engine tests/unit/lang
PYTEST := $(SANDBOX) $(BIN)/python -m pytest -n 4

CLIENTS := $(TEST)/clients/venv

.PHONY: help demo test lint core-tests other-tests clients install clouds openstack tempest clean FORCE

help:
	@echo "make demo    run two workflows and see what happens"
	@echo "make test    run all checks and tests"
	@echo "make lint    run the checks only (style, types, layers)"
	@echo "make clients ask the service with python-mistralclient and openstack (installs them into $(TEST))"
	@echo "make clouds  install a Keystone and a Glance for tests (minutes, once); without them they are skipped"
	@echo "make openstack  install the service with mistral-extra for tests, likewise"
	@echo "make tempest run OpenStack's own tests of the API against a server, a Keystone and a Glance (a minute)"
	@echo "make clean   remove everything that make has made, .venv too"

demo: $(STAMP)
	@$(BIN)/python examples/demo.py

test: lint core-tests other-tests

lint: $(STAMP)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

# The decision core and the language need no database; their unit tests alone must cover them.
core-tests: $(STAMP) $(TEST)/tmp
	$(PYTEST) --basetemp=$(TEST)/core $(CORE_FOLDERS) \
		--cov=maestrale.engine --cov=maestrale.lang --cov-report=term:skip-covered --cov-fail-under=95

other-tests: $(STAMP) $(TEST)/tmp
	$(PYTEST) --basetemp=$(TEST)/other tests $(CORE_FOLDERS:%=--ignore=%)

# The original clients bring 50 packages, which the service does not need: they get a folder of their own.
clients: $(STAMP) $(CLIENTS)/.installed $(TEST)/tmp
	$(SANDBOX) $(BIN)/python -m pytest --basetemp=$(TEST)/asked -m '' tests/clients

$(CLIENTS)/.installed: tests/clients/requirements.txt | $(STAMP)
	@rm -rf $(CLIENTS)
	@sh scripts/make-venv $(CLIENTS)
	@echo "Installing the original clients into $(CLIENTS): half a minute, once; later runs need no network."
	@mkdir -p $(CLIENTS)/tmp
	@TMPDIR="$(CURDIR)/$(CLIENTS)/tmp" $(CLIENTS)/bin/python -m pip install --quiet --no-cache-dir \
		--disable-pip-version-check --requirement $<
	@rm -rf $(CLIENTS)/tmp
	@cp $< $@

install: $(STAMP)

# Services of OpenStack, in a virtual environment of their own; their tests run where it is there.
CLOUDS := $(TEST)/clouds
clouds: $(STAMP) $(CLOUDS)/installed

$(CLOUDS)/installed: tests/clouds/requirements.txt | $(TEST)/tmp
	@mkdir -p $(CLOUDS)
	@sh scripts/make-venv $(CLOUDS)/venv
	@echo "Installing Keystone and Glance into $(CLOUDS)/venv: a few minutes, once; later runs need no network."
	@TMPDIR="$(HERE)/tmp" $(CLOUDS)/venv/bin/python -m pip install --quiet --no-cache-dir \
		--disable-pip-version-check --requirement tests/clouds/requirements.txt
	@cd tests && ../$(BIN)/python -c "from clouds.cloud import prepare; prepare()"
	@touch $@

# The service with OpenStack's actions: their hundred packages stay out of the other environment.
OPENSTACK := $(TEST)/openstack
openstack: $(OPENSTACK)/installed

$(OPENSTACK)/installed: tests/clouds/openstack-requirements.txt | $(TEST)/tmp
	@mkdir -p $(OPENSTACK)
	@sh scripts/make-venv $(OPENSTACK)/venv
	@echo "Installing mistral-extra into $(OPENSTACK)/venv: a few minutes, once; later runs need no network."
	@TMPDIR="$(HERE)/tmp" $(OPENSTACK)/venv/bin/python -m pip install --quiet --no-cache-dir \
		--disable-pip-version-check --requirement $<
	@TMPDIR="$(HERE)/tmp" $(OPENSTACK)/venv/bin/python -m pip install --quiet --no-cache-dir \
		--disable-pip-version-check --no-deps --editable .
	@touch $@

# OpenStack's black-box tests, which bring 60 packages: a folder of their own again. ONLY=REGEX runs some of them.
TEMPEST := $(TEST)/tempest/venv
tempest: clouds openstack $(TEMPEST)/.installed
	@cd tests && $(SANDBOX) ../$(BIN)/python -m tempest_suite.run $(if $(ONLY),'$(ONLY)')

$(TEMPEST)/.installed: tests/tempest_suite/requirements.txt | $(STAMP) $(TEST)/tmp
	@rm -rf $(TEMPEST)
	@mkdir -p $(TEST)/tempest
	@sh scripts/make-venv $(TEMPEST)
	@echo "Installing Tempest into $(TEMPEST): half a minute, once; later runs need no network."
	@TMPDIR="$(HERE)/tmp" $(TEMPEST)/bin/python -m pip install --quiet --no-cache-dir \
		--disable-pip-version-check --requirement $<
	@cp $< $@

$(TEST)/tmp:
	@mkdir -p $@

clean:
	rm -rf $(VENV) $(TEST) .demo .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache .coverage
	find src tests bench examples -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamp holds the path of this folder: a virtual environment does not survive being moved.
$(STAMP): pyproject.toml $(if $(shell [ -x $(BIN)/python ] && [ "$$(cat $(STAMP) 2>/dev/null)" = "$(CURDIR)" ] && echo ok),,FORCE)
	@rm -f $@
	@sh scripts/make-venv $(VENV)
	@echo "Installing into $(VENV): a minute or so, once; later runs need no network."
	@mkdir -p $(VENV)/tmp
	@TMPDIR="$(CURDIR)/$(VENV)/tmp" $(BIN)/python -m pip install --quiet --no-cache-dir --disable-pip-version-check \
		--editable '.[dev]' || { echo "The installation failed: see above. It needs the network, or a package index" \
		"that pip is configured for." >&2; exit 1; }
	@rm -rf $(VENV)/tmp
	@echo "$(CURDIR)" > $@
