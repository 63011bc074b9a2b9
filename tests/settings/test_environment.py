"""The environment: one table, read strictly, and in step with .env.example and the documentation."""

import re
from pathlib import Path

import pytest

from gateway.settings.environment import VARIABLES, Environment, read_environment
from gateway.settings.faults import SettingsError
from gateway.settings.secrets import Secret

ROOT = Path(__file__).parent.parent.parent
SECRET = "ab" * 16


def said(**environ: str) -> list[str]:
    """What is said about variables."""
    with pytest.raises(SettingsError) as caught:
        read_environment({f"GATEWAY_{name}": value for name, value in environ.items()})
    return [fault.what for fault in caught.value.faults]


def test_nothing_has_to_be_set() -> None:
    """The defaults are those of the table: local, on SQLite, without Redis."""
    assert read_environment({"PATH": "/bin", "GATEWAY_DEMO_PANEL_A_URL": "x"}) == Environment(
        config=Path("providers.yaml"),
        watch_config=True,
        data_dir=Path("data"),
        database_url=Secret("sqlite:///data/gateway.db"),
        redis_url=None,
        host="127.0.0.1",
        port=8080,
        metrics_host="127.0.0.1",
        metrics_port=9090,
        key_secret=None,
        answer_within=8.0,
        queue_seconds=3600.0,
        drain_delay_seconds=0.0,
        drain_seconds=25.0,
        events_url=None,
        events_secret=None,
        events_allow_private=False,
        wrong_keys_per_minute=60,
        trusted_proxies=(),
        tracing_url=None,
        tracing_headers=(),
        tracing_ratio=0.1,
        tracing_traceparent="ignore",
        log_level="info",
        log_format="json",
    )


def test_values_are_taken_from_their_variables() -> None:
    """Each variable reaches its field; an empty one counts as not set."""
    found = read_environment(
        {
            "GATEWAY_DATA_DIR": "/srv/data",
            "GATEWAY_REDIS_URL": "redis://:pass@cache.example/0",
            "GATEWAY_PORT": " 0 ",
            "GATEWAY_HOST": "",
            "GATEWAY_ANSWER_WITHIN": "2.5",
            "GATEWAY_LOG_LEVEL": "Warning",
            "GATEWAY_LOG_FORMAT": "console",
            "GATEWAY_KEY_SECRET": SECRET,
        }
    )
    assert found.database_url == Secret("sqlite:////srv/data/gateway.db")
    assert found.redis_url == Secret("redis://:pass@cache.example/0")
    assert (found.port, found.host, found.answer_within) == (0, "127.0.0.1", 2.5)
    assert (found.log_level, found.log_format) == ("warning", "console")
    assert found.key_secret == Secret(SECRET)
    assert "pass" not in repr(found)
    assert SECRET not in repr(found)


def test_proxies_are_networks() -> None:
    """Single addresses too; one slip is told with what was written."""
    found = read_environment({"GATEWAY_TRUSTED_PROXIES": "10.0.0.0/8, fd00::/8 ,192.0.2.7"}).trusted_proxies
    assert [str(each) for each in found] == ["10.0.0.0/8", "fd00::/8", "192.0.2.7/32"]
    assert said(TRUSTED_PROXIES="10.0.0.1/8") == [
        "GATEWAY_TRUSTED_PROXIES has to be networks such as 10.0.0.0/8 or 192.0.2.7, not '10.0.0.1/8'"
    ]


def test_every_fault_is_told_at_once() -> None:
    """Wrong values and unknown names together, with suggestions; a secret's value is not repeated."""
    told = said(
        PORT="80800",
        METRICS_PORT="9.5",
        ANSWER_WITHIN="nan",
        LOG_LEVEL="warn",
        LOG_FORMAT="xml",
        KEY_SECRET="hunter2",
        DATABASE_URL="mysql://me:hunter2@db/x",
        REDIS_URL="cache:hunter2",
        LOGLEVEL="info",
    )
    assert sorted(told) == [
        "GATEWAY_ANSWER_WITHIN has to be a number from 0.1 to 60, not 'nan'",
        "GATEWAY_DATABASE_URL has to be sqlite:///file.db or postgresql://host/name",
        "GATEWAY_KEY_SECRET has to be at least 32 hexadecimal digits",
        "GATEWAY_LOG_FORMAT has to be json or console, not 'xml'",
        "GATEWAY_LOG_LEVEL has to be debug or info or warning or error, not 'warn'; did you mean warning?",
        "GATEWAY_METRICS_PORT has to be a number from 0 to 65535, not '9.5'",
        "GATEWAY_PORT has to be a number from 0 to 65535, not '80800'",
        "GATEWAY_REDIS_URL has to be redis://host:port/0, or rediss:// or unix://",
        "there is no variable GATEWAY_LOGLEVEL; did you mean GATEWAY_LOG_LEVEL?",
    ]


@pytest.mark.parametrize("number", ["1e1", "1_0", "-1", "inf", "0x8", "٣", "8,0"])
def test_number_is_a_plain_decimal(number: str) -> None:
    """What only Python takes for a number is none."""
    assert len(said(ANSWER_WITHIN=number)) == 1


def test_variables_of_kubernetes_are_explained() -> None:
    """A Service called `gateway` puts variables with our prefix into every pod; the fault says the way out."""
    told = said(PORT="tcp://10.0.0.1:8080", SERVICE_HOST="10.0.0.1", PORT_8080_TCP="x")
    assert len(told) == 3
    assert all(each.endswith("; Kubernetes sets it: give the pod `enableServiceLinks: false`") for each in told)


def test_users_and_metrics_are_served_apart() -> None:
    """The same port on the same host is refused before anything listens; free ports never clash."""
    assert said(PORT="9090") == ["GATEWAY_PORT and GATEWAY_METRICS_PORT are both 9090 at 127.0.0.1"]
    assert read_environment({"GATEWAY_PORT": "0", "GATEWAY_METRICS_PORT": "0"}).port == 0
    assert read_environment({"GATEWAY_PORT": "9090", "GATEWAY_HOST": "0.0.0.0"}).port == 9090


def test_key_secret_may_come_from_a_file(tmp_path: Path) -> None:
    """As orchestrators hand out secrets; both at once, a missing and a foolish one are faults."""
    path = tmp_path / "secret"
    path.write_text(f"{SECRET}\n")
    assert read_environment({"GATEWAY_KEY_SECRET_FILE": str(path)}).key_secret == Secret(SECRET)
    assert said(KEY_SECRET_FILE=str(path), KEY_SECRET=SECRET) == [
        "GATEWAY_KEY_SECRET and GATEWAY_KEY_SECRET_FILE are both set; one of them is enough"
    ]
    path.write_text("hunter2")
    assert said(KEY_SECRET_FILE=str(path)) == [
        f"GATEWAY_KEY_SECRET_FILE: {path} has to hold at least 32 hexadecimal digits"
    ]
    path.write_bytes(b"\xff")
    assert said(KEY_SECRET_FILE=str(path)) == [f"GATEWAY_KEY_SECRET_FILE: {path} cannot be read: it is no UTF-8 text"]
    assert said(KEY_SECRET_FILE=f"{tmp_path}/none") == [
        f"GATEWAY_KEY_SECRET_FILE: {tmp_path}/none cannot be read: No such file or directory"
    ]


def test_example_is_in_step_with_the_table() -> None:
    """.env.example names each variable once, with its default, and no other."""
    text = (ROOT / ".env.example").read_text("utf-8")
    assert dict(re.findall(r"^# (GATEWAY_\w+)=(.*)$", text, re.MULTILINE)) == {
        each.name: each.default for each in VARIABLES
    }


def test_documentation_names_every_variable() -> None:
    """docs/configuration.md has a row for each, with its default and the meaning of the table."""
    text = (ROOT / "docs" / "configuration.md").read_text("utf-8")
    for each in VARIABLES:
        default = f"`{each.default}`" if each.default else ""
        assert f"| `{each.name}` | {default} | {each.meaning} |" in text


SIGNING = "whsec_" + "QUJD" * 10
UNSAFE = "GATEWAY_EVENTS_URL has to be https://…; http:// only with GATEWAY_EVENTS_ALLOW_PRIVATE=yes"


def test_consumer_of_events_is_read() -> None:
    """An address and a secret; http only where private addresses are allowed."""
    found = read_environment({"GATEWAY_EVENTS_URL": "https://me.example/hook", "GATEWAY_EVENTS_SECRET": SIGNING})
    assert (found.events_url, found.events_secret) == (Secret("https://me.example/hook"), Secret(SIGNING))
    assert found.events_allow_private is False
    inside = {"GATEWAY_EVENTS_URL": "http://10.0.0.1/hook", "GATEWAY_EVENTS_SECRET": SIGNING}
    assert read_environment({**inside, "GATEWAY_EVENTS_ALLOW_PRIVATE": "Yes"}).events_allow_private is True


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("ftp://me.example/token", "GATEWAY_EVENTS_URL has to be https://host/path"),
        ("https:///token", "GATEWAY_EVENTS_URL has to be https://host/path"),
        ("https://me.example:x/token", "GATEWAY_EVENTS_URL has to be https://host/path"),
        ("http://me.example/token", UNSAFE),
    ],
)
def test_address_of_the_consumer_is_judged(url: str, told: str) -> None:
    """What is wrong with it is told without repeating it, for it may hold a token."""
    assert said(EVENTS_URL=url, EVENTS_SECRET=SIGNING) == [told]


def test_events_are_signed_or_not_sent() -> None:
    """An address without a secret is refused, and a secret that is none."""
    assert said(EVENTS_URL="https://me.example/") == [
        "GATEWAY_EVENTS_URL needs GATEWAY_EVENTS_SECRET: events are signed"
    ]
    assert said(EVENTS_SECRET="whsec_short") == ["GATEWAY_EVENTS_SECRET has to be whsec_ and 24 to 64 bytes in base64"]
    assert said(EVENTS_ALLOW_PRIVATE="maybe") == ["GATEWAY_EVENTS_ALLOW_PRIVATE has to be no or yes, not 'maybe'"]


def test_collector_of_spans_is_read() -> None:
    """An address, headers with what stands for a comma in them, the share that is kept, and whom to go on for."""
    found = read_environment(
        {
            "GATEWAY_TRACING_URL": "https://collector.example/otlp",
            "GATEWAY_TRACING_HEADERS": "authorization=Bearer a%2Cb==, x-scope-orgid = shop,",
            "GATEWAY_TRACING_RATIO": "0.25",
            "GATEWAY_TRACING_TRACEPARENT": "Link",
        }
    )
    assert found.tracing_url == Secret("https://collector.example/otlp")
    assert found.tracing_headers == (("authorization", Secret("Bearer a,b==")), ("x-scope-orgid", Secret("shop")))
    assert (found.tracing_ratio, found.tracing_traceparent) == (0.25, "link")


def test_headers_of_the_collector_come_from_a_file_too(tmp_path: Path) -> None:
    """As a Secret is mounted, with a line's end."""
    (tmp_path / "headers").write_text("authorization=Basic abc=\n")
    found = read_environment({"GATEWAY_TRACING_HEADERS_FILE": str(tmp_path / "headers")})
    assert found.tracing_headers == (("authorization", Secret("Basic abc=")),)


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("URL", "collector:4318", "GATEWAY_TRACING_URL has to be http://host:4318 or https://host"),
        ("URL", "grpc://collector:4317", "GATEWAY_TRACING_URL has to be http://host:4318 or https://host"),
        ("HEADERS", "Bearer hunter2", "GATEWAY_TRACING_HEADERS has to be name=value,name=value"),
        ("HEADERS", "a=b,c d=hunter2", "GATEWAY_TRACING_HEADERS has to be name=value,name=value"),
        ("HEADERS", "a=hunter2%0D%0Ax: y", "GATEWAY_TRACING_HEADERS has to be name=value,name=value"),
        ("RATIO", "1.5", "GATEWAY_TRACING_RATIO has to be a number from 0 to 1, not '1.5'"),
        (
            "TRACEPARENT",
            "parents",
            "GATEWAY_TRACING_TRACEPARENT has to be ignore or link or parent, not 'parents'; did you mean parent?",
        ),
    ],
    ids=["no-scheme", "grpc", "no-name", "bad-name", "line-end", "ratio", "word"],
)
def test_collector_of_spans_is_judged(name: str, text: str, told: str) -> None:
    """Without repeating what may be secret."""
    assert said(**{f"TRACING_{name}": text}) == [told]
