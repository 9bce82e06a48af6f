"""In whose name work is done: kept from the start to the end, given to actions, and then forgotten.

A caller's token is sealed in the database. Where work is to outlive it, the caller trusts the service user of
Keystone instead, and tokens are taken by that trust when an action needs one.
"""

from __future__ import annotations

import logging
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from typing import TYPE_CHECKING, Final

import msgspec
from sqlalchemy.exc import DBAPIError

from maestrale.model.errors import BadRequest, Forbidden, MaestraleError, Unavailable
from maestrale.model.security import SecurityContext
from maestrale.model.values import Microseconds
from maestrale.runtime.steps import Steps, carry_out
from maestrale.store import security_contexts as store
from maestrale.store.database import Database, reason
from maestrale.store.keyring import Keyring
from maestrale.store.leases import LeaseLost
from maestrale.store.security_contexts import Kept, Kind

if TYPE_CHECKING:
    from maestrale.keystone.client import Keystone

log = logging.getLogger(__name__)

_SECOND: Final = 1_000_000

TOO_LATE: Final = 30 * _SECOND
"""Microseconds before its end at which a token counts as ended: an action has to have time to use it."""

ON_ITS_WAY: Final = 600 * _SECOND
"""Microseconds after which what is kept belongs to something that has never begun."""

REMEMBERED: Final = 1000
"""Contexts, and tokens by trusts, that stay in memory."""


class CannotActForCaller(MaestraleError):
    """An action cannot act for the caller any more; the message says why."""


class Security:
    """Safe from any thread. `keyring` is None where nothing can be kept, `keystone` where nobody is trusted.

    `trusts`: whether executions work by trusts too, as triggers always do.
    """

    def __init__(
        self,
        database: Database,
        clock: Callable[[], Microseconds],
        keyring: Keyring | None = None,
        keystone: Keystone | None = None,
        *,
        trusts: bool = False,
    ) -> None:
        self._database = database
        self._clock = clock
        self._keyring = keyring
        self._keystone = keystone
        self._trusts = trusts
        self._lock = threading.Lock()
        self._known: OrderedDict[str, SecurityContext] = OrderedDict()
        self._by_trust: OrderedDict[str, SecurityContext] = OrderedDict()
        self._logging_in: dict[str, Future[SecurityContext]] = {}

    # -- keeping

    def keep(self, identifier: str, kind: Kind, context: SecurityContext) -> Future[Kept]:
        """Keep for an execution (or another kind of work) in whose name it works.

        The future fails with `BadRequest` or `Forbidden` where that cannot be, `Unavailable` while Keystone
        is not there.
        """
        return carry_out(self._keep(identifier, kind, context))

    def undo(self, kept: Kept) -> Future[None]:
        """What was kept for has not begun."""
        return carry_out(self._release(kept))

    def lend(self, execution_id: str, context: SecurityContext) -> Future[None]:
        """Let the tree of an execution that goes on work in this name, if what is kept for it is gone, or is
        of the same user and ends sooner. Only within the project: nobody lends rights to another one."""
        return carry_out(self._lend(execution_id, context))

    def sealed(self, identifier: str, kind: Kind, context: SecurityContext) -> Kept:
        """What is to be stored to keep this. Raises `BadRequest` where nothing can be kept."""
        if self._keyring is None:
            raise BadRequest(
                "This server keeps no credentials, so it cannot work in another cloud",
                "the operator gives it keys: [security] key_file",
            )
        key_id, sealed = self._keyring.seal(msgspec.msgpack.encode(context), identifier)
        return self._row(identifier, kind, context, key_id=key_id, sealed=sealed, ends_at=context.ends_at)

    def _keep(self, identifier: str, kind: Kind, context: SecurityContext) -> Steps[Kept]:
        by_trust = self._trusts and not context.is_target and not context.is_trust_scoped
        if kind in ("cron_trigger", "event_trigger") or by_trust:
            kept: Kept = yield from self._trusted(identifier, kind, context)
        else:
            kept = self.sealed(identifier, kind, context)
        try:
            yield self._database.write(store.keep, kept)
        except Exception:
            if kept.trust_id is not None and self._keystone is not None:
                yield self._keystone.delete_trust(kept.trust_id)
            raise
        return kept

    def _trusted(self, identifier: str, kind: Kind, context: SecurityContext) -> Steps[Kept]:
        if self._keystone is None or context.auth_token is None:
            raise BadRequest("There is no Keystone here in which the service could be trusted")
        if context.is_trust_scoped:
            raise Forbidden(
                "A token that was made by a trust lets nobody else be trusted",
                "log in with a password or an application credential that is not restricted",
            )
        trust_id: str = yield self._keystone.create_trust(context)
        return self._row(identifier, kind, context, trust_id=trust_id)

    def _lend(self, execution_id: str, context: SecurityContext) -> Steps[None]:
        root_id: str | None = yield self._database.read(store.root_of, execution_id, context.project_id)
        if root_id is None:
            return
        kept: Kept | None = yield self._database.read(store.find, root_id)
        if kept is None:
            yield from self._keep(root_id, "execution", context)
            return
        ends_at = context.ends_at
        is_sooner = kept.ends_at is not None and ends_at is not None and kept.ends_at < ends_at
        if kept.sealed is not None and kept.user_id == context.user_id and is_sooner:
            yield self._database.write(store.renew, self.sealed(root_id, "execution", context))
            self._forget(root_id)

    def _row(
        self,
        identifier: str,
        kind: Kind,
        context: SecurityContext,
        *,
        trust_id: str | None = None,
        key_id: str | None = None,
        sealed: bytes | None = None,
        ends_at: Microseconds | None = None,
    ) -> Kept:
        return Kept(
            id=identifier,
            kind=kind,
            user_id=context.user_id,
            project_id=context.project_id or "",
            caller=msgspec.json.encode(context.shown()).decode(),
            trust_id=trust_id,
            sealed=sealed,
            key_id=key_id,
            ends_at=ends_at,
            created_at=self._clock(),
        )

    # -- giving to actions

    def find(self, identifier: str) -> Future[SecurityContext | None]:
        """In whose name an execution or a stand-alone action works, with a good token; None if nothing is
        kept for it (any more). The future fails with `CannotActForCaller` if there is no such token."""
        return carry_out(self._find(identifier))

    def _find(self, identifier: str) -> Steps[SecurityContext | None]:
        with self._lock:
            known = self._known.get(identifier)
        if known is not None and self._is_good(known):
            return known
        kept: Kept | None = yield self._database.read(store.find, identifier)
        if kept is None:
            return None
        if kept.trust_id is not None:
            by_trust: SecurityContext = yield self._log_in(kept.trust_id)
            return by_trust
        if self._keyring is None or kept.sealed is None or kept.key_id is None:
            raise CannotActForCaller("This process has no keys for what is kept of the caller")
        text = self._keyring.open(kept.key_id, kept.sealed, kept.id)
        context = msgspec.msgpack.decode(text, type=SecurityContext)
        if not self._is_good(context):
            raise CannotActForCaller(
                f"The token of the user '{context.user_name or context.user_id}' has ended"
                f" ({context.expires_at})",
                "run the task again with a new one; by keystone.trusts executions may outlive tokens",
            )
        self._remember(self._known, identifier, context)
        return context

    def _log_in(self, trust_id: str) -> Future[SecurityContext]:
        """A token by a trust; those who need it at the same time share one."""
        with self._lock:
            known = self._by_trust.get(trust_id)
            if known is not None and self._is_good(known):
                answer: Future[SecurityContext] = Future()
                answer.set_result(known)
                return answer
            under_way = self._logging_in.get(trust_id)
            if under_way is not None:
                return under_way
            if self._keystone is None:
                raise CannotActForCaller("This process knows no Keystone")
            under_way = self._logging_in[trust_id] = self._keystone.log_in_with_trust(trust_id)

        def logged_in(done: Future[SecurityContext]) -> None:
            with self._lock:
                self._logging_in.pop(trust_id, None)
            if done.exception() is None:
                self._remember(self._by_trust, trust_id, done.result())

        under_way.add_done_callback(logged_in)
        return under_way

    def _is_good(self, context: SecurityContext) -> bool:
        return context.ends_at is None or context.ends_at - TOO_LATE > self._clock()

    def _remember(
        self, memory: OrderedDict[str, SecurityContext], key: str, context: SecurityContext
    ) -> None:
        with self._lock:
            memory[key] = context
            memory.move_to_end(key)
            while len(memory) > REMEMBERED:
                memory.popitem(last=False)

    def _forget(self, identifier: str, trust_id: str | None = None) -> None:
        with self._lock:
            self._known.pop(identifier, None)
            if trust_id is not None:
                self._by_trust.pop(trust_id, None)

    # -- forgetting

    def over(self, identifiers: Sequence[str]) -> Future[None]:
        """These root executions have ended, or these triggers or executions are gone."""
        return carry_out(self._sweep(identifiers))

    def sweep(self) -> Future[None]:
        """Forget what is kept for something that is over, whoever has missed it."""
        return carry_out(self._sweep(None))

    def _sweep(self, identifiers: Sequence[str] | None) -> Steps[None]:
        if self._keyring is None and self._keystone is None:
            return
        before = self._clock() - ON_ITS_WAY
        try:
            found: list[Kept] = yield self._database.read(store.over, before, identifiers)
            for kept in found:
                try:
                    yield from self._release(kept)
                except Unavailable as error:  # those without a trust need no Keystone
                    log.warning("The trust %s stays for now: %s", kept.trust_id, error)
        except (DBAPIError, LeaseLost, Unavailable) as error:
            log.warning("Credentials that nobody needs any more stay for now: %s", reason(error))

    def _release(self, kept: Kept) -> Steps[None]:
        """Forget what is kept, and end the trust if nothing else works by it.

        The trust comes first: while Keystone cannot be asked, it stays known here.
        """
        if kept.trust_id is not None:
            is_last: bool = yield self._database.read(store.is_last_of_trust, kept)
            if is_last:
                yield from self._end_trust(kept.trust_id)
        yield self._database.write(store.forget, kept.id, kept.created_at)
        self._forget(kept.id, kept.trust_id)

    def _end_trust(self, trust_id: str) -> Steps[None]:
        if self._keystone is None:
            log.warning("The trust %s stays: this process knows no Keystone", trust_id)
            return
        try:
            yield self._keystone.delete_trust(trust_id)
        except Unavailable:
            raise
        except MaestraleError as error:
            log.warning("%s", error)
