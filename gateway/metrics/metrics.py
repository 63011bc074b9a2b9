"""All subjects in one: the metrics of one process, as every room is handed them."""

from typing import Final

from prometheus_client import ProcessCollector

from gateway.metrics import house, money, notices, orders, providers, requests
from gateway.metrics.declare import Metric

DECLARED: Final[tuple[Metric, ...]] = (
    *requests.DECLARED,
    *orders.DECLARED,
    *money.DECLARED,
    *providers.DECLARED,
    *notices.DECLARED,
    *house.DECLARED,
)


class Metrics(
    requests.RequestFacts,
    orders.OrderFacts,
    money.MoneyFacts,
    providers.ProviderFacts,
    notices.NoticeFacts,
    house.HouseFacts,
):
    """The rooms hand facts over in the trade's words; which number a fact becomes is decided in its subject's file."""

    def __init__(self) -> None:
        super().__init__(DECLARED)
        self.begin_house()
        self.notices_stand({}, failing=0)
        # CPU, memory and open files, by the names every Prometheus knows: process_cpu_seconds_total and so on.
        ProcessCollector(registry=self.registry)
