# SPDX-License-Identifier: Apache-2.0
"""What is scraped, alerted on and drawn. What promtool says of the rules is in alerts_test.py."""
import json
import pathlib
import re

import yaml

from manifests import go_duration, matches
from policy import GONE, change, policy

METRICS = pathlib.Path(__file__).parents[2] / "deploy/components/monitoring/metrics.yaml"
MONITORED = ("gke-l4-a100", "gke-l4-a100-kueue", "eks-a100")
WORDS = {"sum", "by", "rate", "histogram_quantile", "max", "min", "absent", "time", "on", "ignoring", "group_left"}


@policy("every monitor finds its pods by a named port and scrapes them within its interval",
        change("ServiceMonitor/lwq-coordinator", "spec.endpoints.0.port", 9464),
        change("ServiceMonitor/lwq-coordinator", "spec.endpoints.0.port", "prometheus"),
        change("ServiceMonitor/lwq-coordinator", "spec.endpoints.0.scrapeTimeout", "30s"),
        change("ServiceMonitor/lwq-coordinator", ["spec", "selector", "matchLabels", "app.kubernetes.io/component"], "x"),
        change("PodMonitor/lwq-worker", ["spec", "selector", "matchLabels", "app.kubernetes.io/component"], "x"),
        change("PodMonitor/lwq-worker", "spec.podMetricsEndpoints.0.scheme", "HTTP"), overlays=MONITORED)
def monitors(cluster):
    for monitor in cluster.of("ServiceMonitor", "PodMonitor"):
        name, spec = monitor["metadata"]["name"], monitor["spec"]
        if monitor["kind"] == "ServiceMonitor":
            found = [o for o in cluster.of("Service") if matches(spec["selector"], o["metadata"].get("labels", {}))]
            ports = [{p["name"] for p in o["spec"]["ports"]} for o in found]
        else:
            found = [p for p in cluster.pods() if matches(spec["selector"], p.labels)]
            ports = [{p["name"] for c in pod.containers for p in c.get("ports", [])} for pod in found]
        if not found:
            yield f"{name}: finds nothing"
        for endpoint in spec.get("endpoints", spec.get("podMetricsEndpoints")):
            if any(endpoint["port"] not in names for names in ports):
                yield f"{name}: port {endpoint['port']} is none of {ports}"
            if go_duration(endpoint["scrapeTimeout"]) > go_duration(endpoint["interval"]):
                yield f"{name}: scrapeTimeout is longer than interval"
            if endpoint["scheme"] not in ("http", "https"):
                yield f"{name}: scheme {endpoint['scheme']}"


def metrics_of(expression):
    """Names of metrics in a PromQL expression: words that are no function, no label and no string."""
    bare = re.sub(r'"[^"]*"', "", expression)
    bare = re.sub(r"\{[^}]*\}", "", bare)
    bare = re.sub(r"\b(by|on|ignoring)\s*\([^)]*\)", "", bare)
    bare = re.sub(r"\[[^\]]*\]", "", bare)
    return {word for word in re.findall(r"[a-zA-Z_][a-zA-Z0-9_]*", bare) if word not in WORDS}


def labels_of(expression):
    found = set()
    for inside in re.findall(r"\{([^}]*)\}", expression):
        found |= set(re.findall(r"([a-z_]+)\s*(?:=~|!~|!=|=)", inside))
    for inside in re.findall(r"\b(?:by|on)\s*\(([^)]*)\)", expression):
        found |= {word.strip() for word in inside.split(",")}
    return found


def listed():
    """Every name that may be used, with its labels: a histogram stands for its three series."""
    names = {}
    for group in yaml.safe_load(METRICS.read_text()).values():
        for name, labels in group.items():
            series = [f"{name}_bucket", f"{name}_count", f"{name}_sum"] if "le" in labels else [name]
            names.update({s: set(labels) for s in series})
    return names


def expressions(cluster):
    for rule in cluster.of("PrometheusRule"):
        for group in rule["spec"]["groups"]:
            for alert in group["rules"]:
                yield alert["alert"], alert["expr"]
    for config in cluster.of("ConfigMap"):
        for panel in json.loads(config["data"].get("dashboard.json", '{"panels": []}'))["panels"]:
            for target in panel["targets"]:
                yield panel["title"], target["expr"]


@policy("rules and dashboard use metrics and labels that metrics.yaml lists, and none is listed in vain",
        change("PrometheusRule/lwq", "spec.groups.0.rules.1.expr", "min(lwq_store_opened) == 0"),
        change("PrometheusRule/lwq", "spec.groups.0.rules.1.expr", "min by (store) (lwq_store_open) == 0"),
        change("PrometheusRule/lwq", "spec.groups.0.rules.1", GONE), overlays=MONITORED)
def metrics(cluster):
    known, used = listed(), set()
    for where, expression in expressions(cluster):
        names = metrics_of(expression)
        used |= names
        for name in names - set(known):
            yield f"{where}: {name} is not listed"
        allowed = set().union(*(known.get(name, set()) for name in names))
        for label in labels_of(expression) - allowed:
            yield f"{where}: none of {sorted(names)} has the label {label}"
    for name, labels in known.items():
        if name not in used and not ("le" in labels and {re.sub("_(bucket|count|sum)$", s, name) for s in ("_bucket", "_count")} & used):
            yield f"{name} is listed and not used"


@policy("alerts have distinct groups, a severity, a summary, a description, and durations of Prometheus",
        change("PrometheusRule/lwq", "spec.groups.1.name", "lwq-coordinator"),
        change("PrometheusRule/lwq", "spec.groups.0.rules.0.labels.severity", "high"),
        change("PrometheusRule/lwq", "spec.groups.0.rules.0.annotations.summary", GONE),
        change("PrometheusRule/lwq", "spec.groups.0.rules.0.for", "5min"), overlays=MONITORED)
def alerts(cluster):
    for rule in cluster.of("PrometheusRule"):
        groups = [g["name"] for g in rule["spec"]["groups"]]
        if len(set(groups)) != len(groups):
            yield f"groups {groups}"
        for group in rule["spec"]["groups"]:
            for alert in group["rules"]:
                if alert["labels"].get("severity") not in ("critical", "warning"):
                    yield f"{alert['alert']}: severity {alert['labels'].get('severity')}"
                if not {"summary", "description"} <= set(alert.get("annotations", {})):
                    yield f"{alert['alert']}: no summary or description"
                if not re.fullmatch(r"[0-9]+[smh]", alert.get("for", "")):
                    yield f"{alert['alert']}: for {alert.get('for')}"


@policy("the dashboard is found by its label, and no panel lies on another",
        change("ConfigMap/lwq-dashboard", ["metadata", "labels", "grafana_dashboard"], GONE),
        change("ConfigMap/lwq-dashboard", ["data", "dashboard.json"], lambda text: text.replace('"x": 8', '"x": 7')),
        overlays=MONITORED)
def dashboard(cluster):
    config = cluster.find("ConfigMap", "lwq-dashboard")
    if config["metadata"].get("labels", {}).get("grafana_dashboard") != "1":
        yield "no label grafana_dashboard"
    taken = {}
    for panel in json.loads(config["data"]["dashboard.json"])["panels"]:
        p = panel["gridPos"]
        for x in range(p["x"], p["x"] + p["w"]):
            for y in range(p["y"], p["y"] + p["h"]):
                if taken.setdefault((x, y), panel["id"]) != panel["id"]:
                    yield f"panel {panel['title']} lies on another"
                    return
