"""Tools that run: typed functions, checked arguments, permissions, time limits."""

from inferail.pipelines.tools.audit import ToolRecord
from inferail.pipelines.tools.function import FunctionTool, tool
from inferail.pipelines.tools.lint import DangerousToolWarning, Finding, lint
from inferail.pipelines.tools.protocol import Permission, RunnableTool, ToolOutcome, ToolRun
from inferail.pipelines.tools.rules import ToolRequest, ruled
from inferail.pipelines.tools.toolbox import AsyncToolbox, Toolbox

__all__ = [
    "AsyncToolbox",
    "DangerousToolWarning",
    "Finding",
    "FunctionTool",
    "Permission",
    "RunnableTool",
    "ToolOutcome",
    "ToolRecord",
    "ToolRequest",
    "ToolRun",
    "Toolbox",
    "lint",
    "ruled",
    "tool",
]
