"""deploy/kubernetes/: valid by Kubernetes' own schemas, restricted by its strictest profile, and in agreement."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from opsd.cli.fleet.registry import main as fleet_registry
from opsd.contract import jsoncodec
from opsd.supervisor.settings.load import load_settings
from tests.deploy.dockerfile import parse
from tests.deploy.documents import ROOT
from tests.monitoring.known import groups, promtool

FOLDER = ROOT / "deploy" / "kubernetes"
EXAMPLE = FOLDER / "secret.yaml.example"
FILES = [*sorted(FOLDER.glob("*.yaml")), EXAMPLE, *sorted(FOLDER.glob("prometheus-operator/*.yaml"))]
VERSIONS = ("1.29", "1.33", "1.37")
APP = {"app.kubernetes.io/name": "opsd"}


def documents(file: Path) -> list[dict[str, Any]]:
    return [document for document in yaml.safe_load_all(file.read_text()) if document]


OBJECTS = {document["kind"]: document for file in FILES for document in documents(file)}
POD: dict[str, Any] = OBJECTS["StatefulSet"]["spec"]["template"]["spec"]
CONTAINERS: list[dict[str, Any]] = [*POD["initContainers"], *POD["containers"]]


@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_own_schemas_accept_every_object_and_know_every_field(version: str) -> None:
    try:
        import kubernetes_validate
    except ImportError:
        assert os.environ.get("CI") != "true", "install tests/deploy/requirements.txt"
        pytest.skip("install tests/deploy/requirements.txt")
    for file in FILES:
        for document in documents(file):
            if document["apiVersion"].partition("/")[0] != "monitoring.coreos.com":
                kubernetes_validate.validate(document, version, strict=True)


def test_every_object_belongs_to_the_namespace_and_carries_the_name() -> None:
    expected = {"Namespace", "ServiceAccount", "ConfigMap", "Secret", "StatefulSet", "Service", "PodDisruptionBudget"}
    assert set(OBJECTS) == expected | {"NetworkPolicy", "ServiceMonitor", "PrometheusRule"}
    for kind, document in OBJECTS.items():
        if kind != "Namespace":
            assert document["metadata"]["namespace"] == OBJECTS["Namespace"]["metadata"]["name"]
            assert document["metadata"]["labels"] == APP


def test_the_pod_fits_the_restricted_profile() -> None:
    assert OBJECTS["Namespace"]["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    security = POD["securityContext"]
    assert security["runAsNonRoot"] is True
    assert security["seccompProfile"] == {"type": "RuntimeDefault"}
    assert POD["automountServiceAccountToken"] is False
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(POD)
    for container in CONTAINERS:
        assert container["securityContext"] == {
            "allowPrivilegeEscalation": False,
            "readOnlyRootFilesystem": True,
            "capabilities": {"drop": ["ALL"]},
        }
        for bounds in ("requests", "limits"):
            assert set(container["resources"][bounds]) == {"cpu", "memory", "ephemeral-storage"}
    kinds = {kind for volume in POD["volumes"] for kind in volume if kind != "name"}
    assert kinds == {"emptyDir", "configMap", "secret"}


def test_the_pods_user_is_the_images() -> None:
    user = {step.name: step.rest for step in parse((ROOT / "Dockerfile").read_text())}["USER"]
    security = POD["securityContext"]
    assert user == f"{security['runAsUser']}:{security['runAsGroup']}"
    assert security["fsGroup"] == security["runAsGroup"]


def test_probes_ask_what_the_daemon_answers_on_the_port_it_listens_on(tmp_path: Path) -> None:
    (container,) = POD["containers"]
    (port,) = container["ports"]
    settings = load_settings({}, {}, default_file=tmp_path / "none.toml").settings
    assert port["containerPort"] == settings.http.port
    paths = {probe: container[probe]["httpGet"] for probe in ("startupProbe", "readinessProbe", "livenessProbe")}
    assert paths == {
        "startupProbe": {"path": "/readyz", "port": port["name"]},
        "readinessProbe": {"path": "/readyz", "port": port["name"]},
        "livenessProbe": {"path": "/healthz", "port": port["name"]},
    }
    assert POD["terminationGracePeriodSeconds"] > settings.drain_seconds
    assert OBJECTS["Service"]["spec"]["ports"][0]["port"] == settings.http.port
    assert OBJECTS["Service"]["spec"]["publishNotReadyAddresses"] is True


def test_selectors_meet_and_volumes_are_mounted() -> None:
    stateful = OBJECTS["StatefulSet"]["spec"]
    assert stateful["template"]["metadata"]["labels"] == APP
    assert stateful["selector"]["matchLabels"] == OBJECTS["Service"]["spec"]["selector"] == APP
    assert OBJECTS["PodDisruptionBudget"]["spec"]["selector"]["matchLabels"] == APP
    assert OBJECTS["NetworkPolicy"]["spec"]["podSelector"]["matchLabels"] == APP
    assert OBJECTS["ServiceMonitor"]["spec"]["selector"]["matchLabels"] == APP
    assert OBJECTS["ServiceMonitor"]["spec"]["endpoints"][0]["path"] == "/metrics"
    there = {volume["name"] for volume in POD["volumes"]}
    there |= {claim["metadata"]["name"] for claim in stateful["volumeClaimTemplates"]}
    assert {mount["name"] for container in CONTAINERS for mount in container["volumeMounts"]} == there


def test_the_operator_gets_the_rules_of_prometheus_and_no_field_that_it_does_not_know(tmp_path: Path) -> None:
    spec = OBJECTS["PrometheusRule"]["spec"]
    assert spec == {"groups": [*groups("opsd.recording.yml"), *groups("opsd.rules.yml")]}
    # By the operator's own definition of the kind; a rule's duration and expression are texts there.
    fields = {"record", "alert", "expr", "for", "keep_firing_for", "labels", "annotations"}
    for group in spec["groups"]:
        assert set(group) <= {"name", "interval", "limit", "query_offset", "labels", "rules"}
        for rule in group["rules"]:
            assert set(rule) <= fields
            assert isinstance(rule["expr"], str)
            assert isinstance(rule.get("for", ""), str)
            texts = {**rule.get("labels", {}), **rule.get("annotations", {})}.values()
            assert all(isinstance(text, str) for text in texts)
    (tmp_path / "rules.yml").write_text(yaml.safe_dump(spec))
    done = subprocess.run(
        [promtool(), "check", "rules", tmp_path / "rules.yml"], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_service_has_the_name_of_the_job_that_rules_ask_for() -> None:
    job = OBJECTS["Service"]["metadata"]["name"]  # the operator makes one of the other
    expressions = [rule["expr"] for group in OBJECTS["PrometheusRule"]["spec"]["groups"] for rule in group["rules"]]
    assert f'up{{job="{job}"}}' in " ".join(expressions)


def test_a_drain_of_the_node_is_never_held_up() -> None:
    assert OBJECTS["PodDisruptionBudget"]["spec"]["maxUnavailable"] >= OBJECTS["StatefulSet"]["spec"]["replicas"]


def test_the_network_policy_lets_in_the_scrape_alone_and_nothing_out_to_a_metadata_service() -> None:
    policy = OBJECTS["NetworkPolicy"]["spec"]
    assert policy["policyTypes"] == ["Ingress", "Egress"]
    assert [rule["ports"] for rule in policy["ingress"]] == [[{"port": 9464, "protocol": "TCP"}]]
    assert all("from" in rule for rule in policy["ingress"])
    blocks = [to["ipBlock"] for rule in policy["egress"] for to in rule["to"] if "ipBlock" in to]
    assert {address for block in blocks for address in block["except"]} >= {"169.254.0.0/16", "fd00:ec2::/32"}


def test_settings_and_first_registry_can_be_used(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = OBJECTS["ConfigMap"]["data"]
    (tmp_path / "opsd.toml").write_text(data["opsd.toml"])
    assert load_settings({}, {}, str(tmp_path / "opsd.toml")).settings.log.format == "json"
    (tmp_path / "registry.json").write_text(data["registry.v1.json"])
    assert fleet_registry(["--repo", str(tmp_path), "--registry-file", str(tmp_path / "registry.json")]) == 0
    assert jsoncodec.loads(capsys.readouterr().out.encode())


def test_the_example_of_the_secret_holds_no_value_and_names_variables() -> None:
    values: dict[str, str] = OBJECTS["Secret"]["stringData"]
    assert set(values.values()) == {""}
    assert set(values) == {"OPSD_HTTP__API_TOKEN", "OPS_MANAGER_SERVICE_TOKEN"}
    (container,) = POD["containers"]
    (folder,) = [variable["value"] for variable in container["env"] if variable["name"] == "CREDENTIALS_DIRECTORY"]
    assert {"name": "credentials", "mountPath": folder, "readOnly": True} in container["volumeMounts"]
