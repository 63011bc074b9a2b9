"""The chart, rendered and linted by Helm itself as an installation would, without a cluster."""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import helm_python as helm
import yaml

ROOT = Path(__file__).parent.parent
CHART = ROOT / "helm"
# The values files that have to hold: the chart's own, and every example.
EXAMPLES = ("values.yaml", *(f"examples/{path.name}" for path in sorted((CHART / "examples").glob("*.yaml"))))
POSTGRESQL = {
    "database": {"kind": "postgresql", "existingSecret": "gateway-database"},
    "keySecret": {"existingSecret": "gateway-key"},
}
PODS = {"Deployment", "StatefulSet", "Job"}

Manifest = dict[str, Any]


class _Strict(yaml.SafeLoader):
    """YAML as Kubernetes' strict decoding takes it: a key that stands twice is an error, and not the last one's."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        twice = {key for key in keys if keys.count(key) > 1}
        assert not twice, f"{twice} twice at {node.start_mark}"
        return super().construct_mapping(node, deep=deep)


def values_of(example: str) -> dict[str, Any]:
    """The values in one of the chart's files."""
    return helm.values_from_yaml((CHART / example).read_text("utf-8"))


def manifests(values: Mapping[str, Any], *, chart: Path = CHART) -> list[Manifest]:
    """What an installation with these values makes; raises helm's HelmError with the sentence that refuses them."""
    written = _rendered(json.dumps(values), chart)
    return [each for path, text in written.items() if not path.endswith("NOTES.txt") for each in _read(text)]


def notes(values: Mapping[str, Any]) -> str:
    """What an installation tells whoever made it."""
    return _rendered(json.dumps(values), CHART)["gateway/templates/NOTES.txt"]


def refusal(values: Mapping[str, Any]) -> str:
    """The sentence that an installation with these values ends with."""
    try:
        manifests(values)
    except helm.HelmError as error:
        return str(error)
    raise AssertionError(f"{values} were taken")


def one(found: list[Manifest], kind: str, name: str = "") -> Manifest:
    """The only manifest of a kind, or the one of that name."""
    (only,) = [each for each in found if each["kind"] == kind and name in ("", each["metadata"]["name"])]
    return only


def pods_of(found: list[Manifest]) -> Iterator[tuple[str, Manifest]]:
    """Every pod that is made, by the name of what makes it."""
    for each in found:
        name = f"{each['kind']} {each['metadata']['name']}"
        if each["kind"] in PODS:
            yield name, each["spec"]["template"]["spec"]
        elif each["kind"] == "Pod":
            yield name, each["spec"]


def serving(found: list[Manifest]) -> Manifest:
    """What makes the pods that serve."""
    (only,) = [each for each in found if each["kind"] in PODS - {"Job"}]
    return only


def containers_of(pod: Manifest) -> list[Manifest]:
    """All of a pod's containers."""
    return [*pod.get("initContainers", []), *pod["containers"]]


@cache
def _rendered(values: str, chart: Path) -> dict[str, str]:
    with helm.Chart.load(chart) as loaded:
        return loaded.render(json.loads(values), name="gateway", namespace="shop")


def _read(text: str) -> list[Manifest]:
    return [each for each in yaml.load_all(text, Loader=_Strict) if each]
