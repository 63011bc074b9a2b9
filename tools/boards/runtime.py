"""The dashboard of the house itself: processes, the books, jobs, events."""

from typing import Final

from tools.board import Board, Panel, Row, quantiles

RUNTIME: Final = Board(
    uid="gateway-runtime",
    title="Gateway: runtime",
    description="The house itself: processes, the event loop, the books, jobs, events and the configuration.",
    rows=(
        Row(
            "Processes",
            (
                Panel(
                    title="CPU",
                    description="Cores used; one process uses one at most for requests.",
                    unit="none",
                    decimals=2,
                    exprs=(
                        (
                            "rate(process_cpu_seconds_total[5m]) and on (instance, job) gateway_build_info",
                            "{{instance}}",
                        ),
                    ),
                ),
                Panel(
                    title="Memory",
                    description="Resident.",
                    unit="bytes",
                    exprs=(
                        ("process_resident_memory_bytes and on (instance, job) gateway_build_info", "{{instance}}"),
                    ),
                ),
                Panel(
                    title="Open files",
                    description="Share of what it may have open.",
                    unit="percentunit",
                    exprs=(
                        (
                            "process_open_fds / process_max_fds and on (instance, job) gateway_build_info",
                            "{{instance}}",
                        ),
                    ),
                ),
                Panel(
                    title="Event loop",
                    description="How late it turns to what is due; everything of a process waits for it.",
                    unit="s",
                    exprs=quantiles("gateway_event_loop_lag_seconds", "instance"),
                ),
                Panel(
                    title="On their way",
                    description="Orders being handed to panels.",
                    unit="none",
                    exprs=(("sum by (instance) (gateway_dispatches)", "{{instance}}"),),
                ),
                Panel(
                    title="Versions and configuration",
                    description="Processes by version; configurations put to work and refused, in a day.",
                    unit="none",
                    exprs=(
                        ("count by (version) (gateway_build_info)", "{{version}}"),
                        ("sum by (outcome) (increase(gateway_config_reloads_total[1d]))", "read: {{outcome}}"),
                        ("max by (instance) (gateway_config_generation)", "generation {{instance}}"),
                        ("max by (instance) (gateway_config_refused)", "refused {{instance}}"),
                    ),
                ),
                Panel(
                    title="Age of the configuration",
                    description="Since the one at work was read.",
                    unit="s",
                    exprs=(("time() - max by (instance) (gateway_config_loaded_timestamp_seconds)", "{{instance}}"),),
                ),
            ),
        ),
        Row(
            "The books",
            (
                Panel(
                    title="Writing takes",
                    description="From handing in a command to its commit, waiting included.",
                    unit="s",
                    exprs=quantiles("gateway_store_write_seconds"),
                ),
                Panel(
                    title="Commands in a commit",
                    description="Many: the store is busy, and group commit pays.",
                    unit="none",
                    exprs=quantiles("gateway_store_batch_commands"),
                ),
                Panel(
                    title="Commands waiting",
                    description="For the writer.",
                    unit="none",
                    exprs=(("sum by (instance) (gateway_store_waiting)", "{{instance}}"),),
                ),
                Panel(
                    title="Waiting for a connection",
                    description="Reads, for one of PostgreSQL's few; nothing with SQLite.",
                    unit="s",
                    exprs=quantiles("gateway_store_pool_wait_seconds"),
                ),
                Panel(
                    title="Work",
                    description="Statements of writing commands, reading commands, commits.",
                    unit="ops",
                    exprs=(
                        ("sum(rate(gateway_store_statements_total[5m]))", "statements"),
                        ("sum(rate(gateway_store_reads_total[5m]))", "reads"),
                        ("sum(rate(gateway_store_commits_total[5m]))", "commits"),
                    ),
                ),
                Panel(
                    title="Conflicts",
                    description="Commands that met another process's lock, and commands run again. Deadlocks stay 0.",
                    unit="ops",
                    exprs=(
                        ("sum by (kind) (rate(gateway_store_conflicts_total[5m]))", "{{kind}}"),
                        ("sum(rate(gateway_store_repeated_total[5m]))", "run again"),
                    ),
                ),
                Panel(
                    title="Verified",
                    description="Since the books were last verified: what moved in a day, and all of them.",
                    unit="s",
                    exprs=(("time() - max by (scope) (gateway_books_verified_timestamp_seconds)", "{{scope}}"),),
                ),
                Panel(
                    title="Violations",
                    description="Rows by the invariant they break.",
                    unit="none",
                    exprs=(("max by (invariant) (gateway_books_violations)", "{{invariant}}"),),
                ),
                Panel(
                    title="Verdicts on the disk",
                    description="What panels said while the books could not be written; 0 at all other times.",
                    unit="none",
                    exprs=(("sum by (instance) (gateway_verdicts_spooled)", "{{instance}}"),),
                ),
            ),
        ),
        Row(
            "Jobs, events and Redis",
            (
                Panel(
                    title="Failed runs",
                    description="Of jobs by the clock and of what is done beside a request, in a quarter of an hour.",
                    unit="none",
                    exprs=(("sum by (task) (increase(gateway_job_failures_total[15m])) > 0", "{{task}}"),),
                ),
                Panel(
                    title="Events",
                    description="Waiting to be told, and given up.",
                    unit="none",
                    exprs=(("max(gateway_events_waiting)", "waiting"), ("max(gateway_events_dead)", "given up")),
                ),
                Panel(
                    title="Events told",
                    description="Tries, by what came of them.",
                    unit="ops",
                    exprs=(("sum by (outcome) (rate(gateway_events_told_total[5m]))", "{{outcome}}"),),
                ),
                Panel(
                    title="Spans",
                    description="Sent to the collector, not taken by it, and dropped; nothing while tracing is off.",
                    unit="ops",
                    exprs=(("sum by (outcome) (rate(gateway_spans_total[5m])) > 0", "{{outcome}}"),),
                ),
                Panel(
                    title="Notices",
                    description="Troubles that people are told of and are open, and channels that take no message.",
                    unit="none",
                    exprs=(
                        ("max by (severity) (gateway_notices_open)", "{{severity}}"),
                        ("max(gateway_notice_channels_failing)", "channels failing"),
                    ),
                ),
                Panel(
                    title="Notices told",
                    description="Messages to channels, by what came of them; held: over the hour's cap.",
                    unit="ops",
                    exprs=(
                        ("sum by (channel, outcome) (rate(gateway_notices_told_total[5m]))", "{{channel}} {{outcome}}"),
                    ),
                ),
                Panel(
                    title="Redis",
                    description="Calls that failed and were treated as a miss.",
                    unit="ops",
                    exprs=(("sum by (operation) (rate(gateway_cache_failures_total[5m]))", "{{operation}}"),),
                ),
            ),
        ),
    ),
)
