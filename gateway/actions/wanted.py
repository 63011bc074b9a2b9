"""What the settings want sold and whom they want asked, in the words of the rooms that do it."""

from gateway.core.catalogue import Declared, Pattern, Source, Wanted
from gateway.providers.upstream import Timeouts, Upstream
from gateway.settings.values import Provider, ProvidersFile, Selection, split_route


def wanted_of(file: ProvidersFile) -> Wanted:
    """The file as the catalogue is built from it; a provider that is switched off is not in it."""
    return Wanted(
        currency=file.currency,
        sources={name: _source(name, each) for name, each in file.providers.items() if each.enabled},
        declared=tuple(
            Declared(
                id=number,
                routes=tuple(split_route(route) for route in service.routes),
                name=service.name,
                category=service.category,
                description=service.description,
                min=service.min,
                max=service.max,
                link_wait=service.link_wait_seconds,
            )
            for number, service in file.services.items()
        ),
        rules=file.rules,
        tiers=file.tiers,
    )


def upstream_of(name: str, provider: Provider) -> Upstream:
    """A provider as its client needs it; the only place where its key is taken out of its mask."""
    times = provider.timeouts
    return Upstream(
        name=name,
        url=provider.url,
        key=provider.key.reveal(),
        currency=provider.currency,
        dialect=provider.dialect,
        timeouts=Timeouts(
            connect=float(times.connect),
            write=float(times.write),
            total=float(times.total),
            total_read=float(times.total_read),
        ),
        concurrency=provider.concurrency,
        requests_per_second=provider.requests_per_second or provider.dialect.requests_per_second,
        allow_private=provider.allow_private,
        verify_tls=provider.verify_tls,
        errors=provider.errors,
        policy=provider.answers,
        refund_confirmations=provider.refund_confirmations,
        same_id_seconds=float(provider.unknown.same_id_window_seconds),
        link_wait=provider.link_wait_seconds,
    )


def _source(name: str, provider: Provider) -> Source:
    imports = provider.imports
    return Source(
        name=name,
        exchange_rate=provider.exchange_rate,
        imports=imports is not None,
        include=Pattern() if imports is None else _pattern(imports.include),
        exclude=Pattern() if imports is None else _pattern(imports.exclude),
        refills=provider.dialect.refill,
        cancels=provider.dialect.cancel,
    )


def _pattern(selection: Selection) -> Pattern:
    return Pattern(ids=selection.ids, categories=selection.categories, names=selection.names, types=selection.types)
