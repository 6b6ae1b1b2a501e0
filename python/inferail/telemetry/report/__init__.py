"""What the ledger knows: money, latency, fallbacks, caches, budgets and objectives, counted from Records.

It loads numpy, and `inferail.telemetry` does not load it: `from inferail.telemetry.report import Report`.
"""

from __future__ import annotations

from inferail.telemetry.report.columns import Tally
from inferail.telemetry.report.fallbacks import FallbackPair
from inferail.telemetry.report.forecast import BudgetAlert, DailySpend, Forecast
from inferail.telemetry.report.money import CostPerSuccess, Efficiency, Savings, Waste
from inferail.telemetry.report.report import Report
from inferail.telemetry.report.slo import SLO, BurnRate, SLOResult
from inferail.telemetry.report.traffic import CacheUse, Headroom, Latency, Reconciliation, TaskShare

__all__ = [
    "SLO",
    "BudgetAlert",
    "BurnRate",
    "CacheUse",
    "CostPerSuccess",
    "DailySpend",
    "Efficiency",
    "FallbackPair",
    "Forecast",
    "Headroom",
    "Latency",
    "Reconciliation",
    "Report",
    "SLOResult",
    "Savings",
    "Tally",
    "TaskShare",
    "Waste",
]
