"""An agent as a tool of another one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from inferail._sync import drive
from inferail.errors import ConfigError, ToolError
from inferail.pipelines.agent.loop import surrounding_journal
from inferail.pipelines.tools.outcomes import failure
from inferail.pipelines.tools.protocol import Permission, ToolOutcome, ToolRun
from inferail.pipelines.tools.running import Late, called
from inferail.types.tools import Tool

if TYPE_CHECKING:
    from inferail.pipelines.agent.agent import BaseAgent

__all__ = ["AgentTool"]


class AgentTool:
    """An agent that another one can ask; see `BaseAgent.as_tool`. A `RunnableTool`."""

    timeout: float | None = None

    def __init__(self, agent: BaseAgent, name: str, description: str) -> None:
        """Takes the agent.

        Args:
            agent: Which one.
            name: The tool's.
            description: What it can do, for a model.

        Raises:
            ConfigError: The name is none, or there is no description.
        """
        if not isinstance(description, str) or not description.strip():
            raise ConfigError("an agent as a tool needs a description, which says when to use it")
        self.agent = agent
        task = {"type": "string", "description": "What is to be done, with everything that has to be known for it."}
        schema = {"type": "object", "properties": {"task": task}, "required": ["task"], "additionalProperties": False}
        self._definition = Tool(name, description, schema, side_effects=agent.permission != "read")

    def __repr__(self) -> str:
        return f"AgentTool({self._definition.name!r})"

    @property
    def definition(self) -> Tool:
        """Name, description and schema, as a model sees them."""
        return self._definition

    @property
    def permission(self) -> Permission:
        """The most that any of the agent's tools may do."""
        return self.agent.permission

    async def run(self, arguments: Mapping[str, Any], run: ToolRun) -> ToolOutcome:
        """Runs the agent with the task.

        Returns:
            Its answer, or what stopped it.

        Raises:
            ToolError: Agents are too deep inside each other, or it did not end in time.
            ConfigError: It is asynchronous, and the caller blocks.
        """
        task, name = arguments.get("task"), self._definition.name
        if not isinstance(task, str) or not task.strip() or len(arguments) > 1:
            problems = [("task", "string_type", "a text, and the only argument")]
            return failure("invalid_arguments", name, "the task must be a text", problems=problems)
        if run.blocking and not self.agent.blocking:
            raise ConfigError(f"the agent {name!r} is asynchronous: an Agent can only use another Agent")
        journal = surrounding_journal()
        run_id = None if journal is None else run.idempotency_key
        loop = self.agent.loop(task, journal=journal, run_id=run_id)
        if run.blocking or not self.agent.blocking:
            done = await loop.finished()
        else:
            try:
                done = await called(lambda: drive(loop.finished()), blocking=False)
            except Late as late:
                raise ToolError(f"the agent {name!r} did not end in time", tool=name) from late
        if done.answered:
            return ToolOutcome(done.text, value=done)
        return failure(
            "failed", name, f"the agent has no answer: {done.stopped}", error=done.error, stopped=done.stopped
        )
