"""What the simulated panel sells, from a YAML file."""

from decimal import Decimal
from pathlib import Path
from typing import Literal

import msgspec
import yaml

from gateway.core.errors import GatewayError
from gateway.core.messages import ServiceRow
from gateway.core.service import DEFAULT, find_type


class PanelError(GatewayError):
    """The panel cannot do what it was started for; the message says why in one line."""


class PanelService(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One service, and how its orders go."""

    id: int
    name: str
    type: str = DEFAULT.name
    category: str = "Other"
    rate: Decimal  # per 1000, or flat
    min: int = 1
    max: int = 10_000
    dripfeed: bool = False
    refill: bool = False
    cancel: bool = False
    description: str = ""
    seconds: float = 5.0  # from the order to its end, at pace 1
    ends: Literal["completed", "partial", "canceled"] = "completed"
    delivered: float = 1.0  # the share that is delivered when it ends partial

    @property
    def row(self) -> ServiceRow:
        """The service as the list has it."""
        return ServiceRow(
            service=str(self.id),
            name=self.name,
            type=self.type,
            category=self.category,
            rate=f"{self.rate:f}",
            min=self.min,
            max=self.max,
            dripfeed=self.dripfeed,
            refill=self.refill,
            cancel=self.cancel,
            description=self.description,
        )


class PanelFile(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The file: what the panel sells, and in which currency."""

    currency: str = "USD"
    services: tuple[PanelService, ...]


def load_services(path: Path) -> PanelFile:
    """The file's services; raises PanelError naming the place of the first mistake."""
    try:
        found = msgspec.convert(yaml.safe_load(path.read_text(encoding="utf-8")), PanelFile, strict=False)
    except OSError as error:
        raise PanelError(f"{path} cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, msgspec.ValidationError, UnicodeDecodeError) as error:
        raise PanelError(f"{path}: {error}") from error
    for service in found.services:
        if find_type(service.type) is None:
            raise PanelError(f"{path}: service {service.id}: the type {service.type} is not simulated")
    return found
