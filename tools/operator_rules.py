"""``deploy/kubernetes/prometheus-operator/prometheusrule.yaml``: the rules of ``deploy/prometheus/`` for the operator.

The operator takes the same groups inside an object of its own. They are taken over as text, line by line, so that both
read alike and a change of the one shows as the same change of the other.
"""

from __future__ import annotations

from pathlib import Path

_RULES = Path(__file__).resolve().parents[1] / "deploy" / "prometheus"
_FILES = ("opsd.recording.yml", "opsd.rules.yml")
_HEAD = """# Written by `make docs` from deploy/prometheus/; do not edit.
# For the Prometheus operator, whose kinds a cluster without it does not know. A Prometheus with a ruleSelector, as Helm
# charts set one, takes only objects with its labels.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: opsd
  namespace: opsd
  labels: {app.kubernetes.io/name: opsd}
spec:
  groups:
"""


def manifest() -> str:
    """The object as YAML."""
    groups = "".join((_RULES / name).read_text().partition("\ngroups:\n")[2] for name in _FILES)
    return _HEAD + "".join(f"  {line}" if line.strip() else line for line in groups.splitlines(keepends=True))
