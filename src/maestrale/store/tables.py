"""The schema, once. Times are whole microseconds since 1970 UTC; JSON documents are text.

No foreign keys: hot tables are written in large batches by one owner, and deletion goes through
marks and batches. Ids are text because clients may choose the id of an execution.

On PostgreSQL as on SQLite, texts have no longest length and are ordered by their bytes, whatever the
language of the database: so lists come in the same order everywhere, and no index depends on the system's
library for languages.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    Float,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
    text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

PlainText = Text(collation="C")


def Characters(length: int) -> String:  # noqa: N802 - stands for a type
    """A text of about that length."""
    return String(length).with_variant(PlainText, "postgresql")


Id = Characters(36)
Name = Characters(255)
Document = Text().with_variant(PlainText, "postgresql")
Sequence = BigInteger().with_variant(Integer, "sqlite")

STORAGE: Final = "storage"
WHERE: Final = "where"
"""What SQLAlchemy takes for a PostgreSQL alone stands under these keys in `info` until a schema is made there
(see `for_postgresql`): said to the tables themselves, it makes every start load that dialect."""

VERY_HOT: Final = {
    "fillfactor": 70,
    "autovacuum_vacuum_scale_factor": 0.02,
    "autovacuum_vacuum_threshold": 500,
}
HOT: Final = VERY_HOT | {"fillfactor": 85}
EMPTIED: Final = {name: value for name, value in HOT.items() if name != "fillfactor"}
"""How PostgreSQL stores rows that change with every commit, that change a few times, and that come and go.

Room in a page lets a changed row stay there, without touching an index; dead rows are cleared away after
hundreds, not after a fifth of the table.
"""


def _partial(name: str, *columns: str, where: str, on_postgresql: str | None = None) -> Index:
    """An index of the rows for which a condition holds."""
    return Index(name, *columns, sqlite_where=text(where), info={WHERE: on_postgresql or where})


def for_postgresql() -> MetaData:
    """The tables as a PostgreSQL stores them."""
    for table in metadata.tables.values():
        table.dialect_options["postgresql"]["with"] = table.info.get(STORAGE, {})
        for index in table.indexes:
            if WHERE in index.info:
                index.dialect_options["postgresql"]["where"] = text(index.info[WHERE])
    return metadata


execution_heads = Table(
    "execution_heads",
    metadata,
    Column("id", Id, primary_key=True),
    Column("version", BigInteger, nullable=False),
    Column("owner", Id),
    Column("alarm_at", BigInteger),
    Column("project_id", Characters(80), nullable=False),
    Column("root_id", Id, nullable=False),
    Column("next_sequence", BigInteger, nullable=False),
    Column("open_tasks", Integer, nullable=False),
    Column("ready", Document),
    Column("control_epoch", Integer, nullable=False),
    Column("seed", Characters(32), nullable=False),
    Column("deleting", Boolean, nullable=False),
    _partial("ix_execution_heads_owner", "owner", where="owner IS NOT NULL"),
    _partial("ix_execution_heads_alarm_at", "alarm_at", where="alarm_at IS NOT NULL"),
    _partial("ix_execution_heads_deleting", "id", where="deleting = 1", on_postgresql="deleting"),
    info={STORAGE: VERY_HOT},
)  # fmt: skip
"""What claiming and committing touch: narrow, and no index holds a column that every commit changes.

`ready`: the tasks that a bounded decision left for the next one, mostly null. `control_epoch`: always 0, as
is the one of letters; the order of mail makes it unnecessary. `deleting`: this execution and everything below
it is on its way out, and counts as absent.
"""

workflow_executions = Table(
    "workflow_executions",
    metadata,
    Column("id", Id, primary_key=True),
    Column("project_id", Characters(80), nullable=False),
    Column("scope", Characters(10), nullable=False),
    Column("name", Name, nullable=False),
    Column("namespace", Name, nullable=False),
    Column("workflow_id", Id),
    Column("workbook", Name, nullable=False),
    Column("definition_hash", Characters(64), nullable=False),
    Column("root_id", Id, nullable=False),
    Column("parent_id", Id),
    Column("parent_task_id", Id),
    Column("item_index", Integer),
    Column("attempt", Integer, nullable=False),
    Column("state", Characters(10), nullable=False),
    Column("state_info", Document),
    Column("cause", Document),
    Column("input", Document, nullable=False),
    Column("params", Document, nullable=False),
    Column("variables", Document, nullable=False),
    Column("globals", Document, nullable=False),
    Column("output", Document),
    Column("backlog", Document),
    Column("description", Document),
    Column("tags", Document, nullable=False),
    Column("accepted", Boolean, nullable=False),
    Column("security_context", Id),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger),
    Column("finished_at", BigInteger),
    Column("known_state", Characters(10)),
    Column("known_output", Document),
    Column("cascades", Document),
    Column("caller", Document),
    Index("ix_workflow_executions_created_at_id", "created_at", "id"),
    Index("ix_workflow_executions_project_id_created_at", "project_id", "created_at"),
    Index("ix_workflow_executions_project_id_state", "project_id", "state", "created_at"),
    Index("ix_workflow_executions_project_id_name", "project_id", "name", "created_at"),
    Index("ix_workflow_executions_project_id_workflow_id", "project_id", "workflow_id", "created_at"),
    _partial("ix_workflow_executions_project_id_tags", "project_id", "tags", "created_at",
             where="tags <> '[]'"),
    Index("ix_workflow_executions_root_id", "root_id"),
    Index("ix_workflow_executions_definition_hash", "definition_hash"),
    _partial("ix_workflow_executions_ended_roots", "state", "finished_at", "id",
             where="parent_id IS NULL AND finished_at IS NOT NULL"),
    _partial("ix_workflow_executions_parent_task_id", "parent_task_id", where="parent_task_id IS NOT NULL"),
    _partial("ix_workflow_executions_parent_id", "parent_id", where="parent_id IS NOT NULL"),
)  # fmt: skip
"""`root_id` of a root is its own id (the API shows null); `parent_task_id` is null for roots.

`accepted`, `known_state` and `known_output` are written by the parent: what it has heard of this execution.
`cascades`: what its own children are still to be told by it, mostly null. `security_context`: the id of a
row of security_contexts, which need not be there any more; `caller`: what is known of it for ever.
"""

security_contexts = Table(
    "security_contexts",
    metadata,
    Column("id", Id, primary_key=True),
    Column("kind", Characters(20), nullable=False),
    Column("user_id", Name),
    Column("project_id", Characters(80), nullable=False),
    Column("caller", Document, nullable=False),
    Column("trust_id", Name),
    Column("sealed", LargeBinary),
    Column("key_id", Name),
    Column("ends_at", BigInteger),
    Column("created_at", BigInteger, nullable=False),
    Index("ix_security_contexts_trust_id", "trust_id"),
)
"""In whose name something works, as long as it does. The id is that of what works: a root execution, a
stand-alone action, a trigger; `kind` says which.

By a trust, or by what is `sealed` with the key `key_id`, whose token is good until `ends_at`. `caller` holds
no secret.
"""

task_executions = Table(
    "task_executions",
    metadata,
    Column("id", Id, primary_key=True),
    Column("execution_id", Id, nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("name", Name, nullable=False),
    Column("type", Characters(10), nullable=False),
    Column("state", Characters(10), nullable=False),
    Column("state_info", Document),
    Column("cause", Document),
    Column("triggered_by", Document, nullable=False),
    Column("next_tasks", Document),
    Column("published", Document),
    Column("published_global", Document),
    Column("checkpoint", Document),
    Column("runtime", Document, nullable=False),
    Column("items", Document),
    Column("tags", Document, nullable=False),
    Column("due_at", BigInteger),
    Column("timeout_at", BigInteger),
    Column("items_count", Integer),
    Column("items_next", Integer, nullable=False),
    Column("items_done", Integer, nullable=False),
    Column("items_failed", Integer, nullable=False),
    Column("is_join", Boolean, nullable=False),
    Column("live", Boolean, nullable=False),
    Column("processed", Boolean, nullable=False),
    Column("error_handled", Boolean, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger),
    Column("started_at", BigInteger),
    Column("finished_at", BigInteger),
    Column("project_id", Characters(80)),
    Index("ix_task_executions_execution_id_sequence", "execution_id", "sequence"),
    Index("ix_task_executions_created_at", "created_at"),
    Index("ix_task_executions_project_id_created_at", "project_id", "created_at"),
    Index("ix_task_executions_project_id_name", "project_id", "name", "created_at"),
    _partial("ix_task_executions_project_id_state", "project_id", "state", "created_at",
             where="state <> 'SUCCESS'"),
    info={STORAGE: HOT},
)  # fmt: skip
"""`project_id` is that of the execution, which lists of tasks need beside the order."""

action_executions = Table(
    "action_executions",
    metadata,
    Column("id", Id, primary_key=True),
    Column("execution_id", Id),
    Column("task_id", Id),
    Column("item_index", Integer),
    Column("attempt", Integer, nullable=False),
    Column("project_id", Characters(80), nullable=False),
    Column("name", Name, nullable=False),
    Column("namespace", Name, nullable=False),
    Column("target", Name),
    Column("state", Characters(10), nullable=False),
    Column("state_info", Document),
    Column("accepted", Boolean, nullable=False),
    Column("queued", Boolean, nullable=False),
    Column("repeatable", Boolean, nullable=False),
    Column("waits_outside", Boolean, nullable=False),
    Column("executor", Id),
    Column("timeout", Float),
    Column("input", Document, nullable=False),
    Column("output", Document),
    Column("description", Document),
    Column("tags", Document, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger),
    Column("adhoc", Document),
    Index("ix_action_executions_task_id_item_index", "task_id", "item_index"),
    Index("ix_action_executions_execution_id", "execution_id"),
    Index("ix_action_executions_created_at", "created_at"),
    Index("ix_action_executions_project_id_created_at", "project_id", "created_at"),
    _partial("ix_action_executions_project_id_state", "project_id", "state", "created_at",
             where="state <> 'SUCCESS'"),
    _partial("ix_action_executions_executor", "executor", where="state = 'RUNNING'"),
    info={STORAGE: HOT},
)  # fmt: skip
"""`execution_id` and `task_id` are null for an action that was run directly.

`adhoc`: what an ad-hoc action runs in the end, and how its result is transformed; null for other actions.
"""

mail = Table(
    "mail",
    metadata,
    Column("sequence", Sequence, Identity(), primary_key=True),
    Column("execution_id", Id, nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("command_id", Id),
    Column("event", LargeBinary, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("reply_to", Id),
    Index("ix_mail_execution_id_sequence", "execution_id", "sequence"),
    sqlite_autoincrement=True,
    info={STORAGE: EMPTIED},
)

notifications = Table(
    "notifications",
    metadata,
    Column("id", Id, primary_key=True),
    Column("execution_id", Id, nullable=False),
    Column("publisher", LargeBinary, nullable=False),
    Column("body", LargeBinary, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("due_at", BigInteger, nullable=False),
    Column("taken_by", Id),
    Index("ix_notifications_due_at", "due_at"),
    info={STORAGE: EMPTIED},
)
"""What is still to be sent. `taken_by`: the process that does it, until `due_at`; from then on, or when that
process is gone, any other may."""

command_replies = Table(
    "command_replies",
    metadata,
    Column("command_id", Id, primary_key=True),
    Column("status", Integer, nullable=False),
    Column("message", Document),
    Column("created_at", BigInteger, nullable=False),
    Index("ix_command_replies_created_at", "created_at"),
)

decision_records = Table(
    "decision_records",
    metadata,
    Column("execution_id", Id, primary_key=True),
    Column("sequence", BigInteger, primary_key=True, autoincrement=False),
    Column("at", BigInteger, nullable=False),
    Column("event", LargeBinary, nullable=False),
    Column("answers", LargeBinary),
    Column("version", BigInteger),
    Column("changes", Document),
)
"""Folding the records of an execution, in order, gives its rows again.

`version`: that of the commit which appended the record, so that it can be recognised. `changes`: ids, with
the states before and after; null for none.
"""

execution_values = Table(
    "execution_values",
    metadata,
    Column("root_id", Id, primary_key=True),
    Column("hash", Characters(64), primary_key=True),
    Column("data", LargeBinary, nullable=False),
)
"""Large values, stored once per execution tree and referenced by content hash."""

processes = Table(
    "processes",
    metadata,
    Column("id", Id, primary_key=True),
    Column("host", Name, nullable=False),
    Column("boot", Characters(64), nullable=False),
    Column("pid", Integer, nullable=False),
    Column("roles", Document, nullable=False),
    Column("target", Name),
    Column("address", Document),
    Column("started_at", BigInteger, nullable=False),
    Column("lease_until", BigInteger, nullable=False),
    Column("pid_started", BigInteger),
    Column("gone", Boolean, nullable=False, server_default=false()),
)
"""An id is one incarnation and is never used again. `gone`: it counts as dead, and others take its work."""

definition_texts = Table(
    "definition_texts",
    metadata,
    Column("hash", Characters(64), primary_key=True),
    Column("text", Document, nullable=False),
)

definitions = Table(
    "definitions",
    metadata,
    Column("id", Id, primary_key=True),
    Column("kind", Characters(10), nullable=False),
    Column("name", Name, nullable=False),
    Column("namespace", Name, nullable=False),
    Column("project_id", Characters(80), nullable=False),
    Column("scope", Characters(10), nullable=False),
    Column("text_hash", Characters(64), nullable=False),
    Column("checksum", Characters(32)),
    Column("input", Document, nullable=False),
    Column("interface", Document, nullable=False),
    Column("description", Document),
    Column("tags", Document, nullable=False),
    Column("is_system", Boolean, nullable=False),
    Column("workbook_name", Name),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger),
    UniqueConstraint("kind", "name", "namespace", "project_id"),
    Index("ix_definitions_kind_created_at", "kind", "created_at"),
    Index("ix_definitions_text_hash", "text_hash"),
)
"""`kind` is workflow, action or workbook; `input` is what lists show, `interface` a JSON document."""

resource_members = Table(
    "resource_members",
    metadata,
    Column("id", Id, primary_key=True),
    Column("resource_id", Id, nullable=False),
    Column("resource_type", Characters(10), nullable=False),
    Column("project_id", Characters(80), nullable=False),
    Column("member_id", Characters(80), nullable=False),
    Column("status", Characters(10), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger),
    UniqueConstraint("resource_id", "member_id"),
    Index("ix_resource_members_member_id", "member_id"),
)
"""Private workflows shared with other projects, each a `member_id`; `project_id` is the owner's."""

environments = Table(
    "environments",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", Name, nullable=False),
    Column("project_id", Characters(80), nullable=False),
    Column("scope", Characters(10), nullable=False),
    Column("description", Document),
    Column("variables", Document, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger),
    Column("sealed", LargeBinary),
    UniqueConstraint("name", "project_id"),
    Index("ix_environments_created_at_id", "created_at", "id"),
)
"""`variables`: as people see them. `sealed`: as executions get them, where some are secret."""

cron_triggers = Table(
    "cron_triggers",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", Name, nullable=False),
    Column("project_id", Characters(80), nullable=False),
    Column("scope", Characters(10), nullable=False),
    Column("workflow_name", Name, nullable=False),
    Column("workflow_id", Id, nullable=False),
    Column("workflow_input", Document, nullable=False),
    Column("workflow_params", Document, nullable=False),
    Column("pattern", Characters(100), nullable=False),
    Column("first_execution_time", BigInteger),
    Column("next_execution_time", BigInteger),
    Column("remaining_executions", BigInteger),
    Column("sameness", Characters(64)),
    Column("failures", Integer, nullable=False),
    Column("last_error", Document),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger),
    Column("sealed", LargeBinary),
    UniqueConstraint("name", "project_id"),
    UniqueConstraint("sameness"),
    Index("ix_cron_triggers_created_at_id", "created_at", "id"),
    Index("ix_cron_triggers_workflow_id", "workflow_id"),
    _partial("ix_cron_triggers_next_execution_time", "next_execution_time", "id",
             where="next_execution_time IS NOT NULL"),
    info={STORAGE: HOT},
)  # fmt: skip
"""`next_execution_time` is null when it fires no more. `failures`: how many starts in a row were refused,
and `last_error` why the last was. `sameness`: a hash of what two triggers may not have in common.
`sealed`: what it starts with, if that has secrets."""

event_triggers = Table(
    "event_triggers",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", Name),
    Column("project_id", Characters(80), nullable=False),
    Column("scope", Characters(10), nullable=False),
    Column("workflow_id", Id, nullable=False),
    Column("workflow_input", Document, nullable=False),
    Column("workflow_params", Document, nullable=False),
    Column("exchange", Characters(80), nullable=False),
    Column("topic", Characters(80), nullable=False),
    Column("event", Characters(80), nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger),
    Column("sealed", LargeBinary),
    UniqueConstraint("exchange", "topic", "event", "workflow_id", "project_id"),
    Index("ix_event_triggers_created_at_id", "created_at", "id"),
    Index("ix_event_triggers_workflow_id", "workflow_id"),
)

code_sources = Table(
    "code_sources",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", Name, nullable=False),
    Column("namespace", Name, nullable=False),
    Column("project_id", Characters(80), nullable=False),
    Column("scope", Characters(10), nullable=False),
    Column("content", Document, nullable=False),
    Column("version", Integer, nullable=False),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger),
    UniqueConstraint("name", "namespace", "project_id"),
    Index("ix_code_sources_created_at_id", "created_at", "id"),
)

dynamic_actions = Table(
    "dynamic_actions",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", Name, nullable=False),
    Column("namespace", Name, nullable=False),
    Column("project_id", Characters(80), nullable=False),
    Column("scope", Characters(10), nullable=False),
    Column("class_name", Name, nullable=False),
    Column("code_source_id", Id, nullable=False),
    Column("input", Document, nullable=False),
    Column("description", Document, nullable=False),
    Column("signature", Document),
    Column("created_at", BigInteger, nullable=False),
    Column("updated_at", BigInteger),
    UniqueConstraint("name", "namespace", "project_id"),
    Index("ix_dynamic_actions_created_at_id", "created_at", "id"),
    Index("ix_dynamic_actions_code_source_id", "code_source_id"),
)
"""`input`, `description` and `signature` are read from the class in the code source, anew with each version;
`signature` is null where the code source has no such class."""

maintenance = Table(
    "maintenance",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("status", Characters(10), nullable=False),
    Column("changed_at", BigInteger, nullable=False),
)
"""At most one row, with the id 1; without it everything runs."""
