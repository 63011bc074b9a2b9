"""The rules as promtool reads them, and what each alert fires on: `make alerts`."""

import subprocess
from pathlib import Path

import yaml

from tools.observed import RULES, dashboards, rules

CASES = Path(__file__).parent / "alerts.test.yaml"


def promtool(*arguments: str | Path) -> str:
    """What promtool says; fails with it where promtool does."""
    done = subprocess.run(["promtool", *arguments], check=False, capture_output=True, text=True, timeout=600)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_promtool_takes_every_rule() -> None:
    """Expressions, durations, names and the templates in the notes; as many as there are."""
    said = promtool("check", "rules", *sorted(RULES.glob("*.yaml")))
    counted = sum(int(line.split()[1]) for line in said.splitlines() if "rules found" in line)
    assert counted == len(list(rules()))


def test_each_alert_fires_on_its_trouble_and_a_quiet_house_is_silent(tmp_path: Path) -> None:
    """On series as they would be; every alert has a case, and the quiet house has all of them."""
    bare = []
    for path in sorted(RULES.glob("*.yaml")):
        content = yaml.safe_load(path.read_text("utf-8"))
        for group in content["groups"]:
            for rule in group["rules"]:
                rule.pop("annotations", None)  # promtool would compare the finished texts
        bare.append(tmp_path / path.name)
        bare[-1].write_text(yaml.safe_dump(content), "utf-8")
    cases = yaml.safe_load(CASES.read_text("utf-8"))
    alerts = {rule["alert"] for rule in rules() if "alert" in rule}
    fired = {case["alertname"] for test in cases["tests"] for case in test["alert_rule_test"] if case["exp_alerts"]}
    assert fired == alerts
    assert {case["alertname"] for case in cases["tests"][-1]["alert_rule_test"]} == alerts
    written = tmp_path / CASES.name
    written.write_text(yaml.safe_dump({**cases, "rule_files": [str(path) for path in bare]}), "utf-8")
    assert "SUCCESS" in promtool("test", "rules", written)


def test_promtool_takes_every_expression_of_a_panel(tmp_path: Path) -> None:
    """As recording rules, since promtool reads expressions in rules alone."""
    found = [
        {"record": f"panel:{board['uid'].replace('-', '_')}:{panel['id']}_{target['refId']}", "expr": target["expr"]}
        for board in dashboards()
        for panel in board["panels"]
        for target in panel.get("targets", ())
    ]
    assert len(found) > 60
    path = tmp_path / "panels.yaml"
    path.write_text(yaml.safe_dump({"groups": [{"name": "panels", "rules": found}]}), "utf-8")
    promtool("check", "rules", path)
