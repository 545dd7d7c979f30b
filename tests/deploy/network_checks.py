# SPDX-License-Identifier: Apache-2.0
"""Network policies, judged by what they let through: a connection needs the egress of its source and the ingress of its
destination, and a pod that no policy of a direction selects is open in that direction.
"""
import re

from manifests import matches
from policy import GONE, added, change, policy

FIREWALL = "NetworkPolicy/lwq-"


class End:
    """One end of a connection: a pod with its labels, the labels of its namespace, and the ports it names."""

    def __init__(self, name, labels, namespace="lwq", pod=None):
        self.name = name
        self.labels = labels
        self.namespace = namespace
        self.pod = pod

    def port(self, port):
        return self.pod.port(port) if self.pod is not None and isinstance(port, str) else port


def peer_matches(peer, end, home):
    if "ipBlock" in peer:
        return end.name == "internet"
    if end.name == "internet":
        return False
    if "namespaceSelector" in peer:
        if not matches(peer["namespaceSelector"], {"kubernetes.io/metadata.name": end.namespace}):
            return False
    elif end.namespace != home:
        return False
    return "podSelector" not in peer or matches(peer["podSelector"], end.labels)


def port_matches(rule, port, destination):
    if not rule.get("ports"):
        return True
    return any(destination.port(p["port"]) == port and p.get("protocol", "TCP") == "TCP" for p in rule["ports"])


def direction_allows(cluster, direction, subject, other, port, destination):
    key = direction.lower()
    side = {"ingress": "from", "egress": "to"}[key]
    if subject.namespace != "lwq" or subject.name == "internet":
        return True
    selecting = [p for p in cluster.of("NetworkPolicy")
                 if direction in p["spec"].get("policyTypes", ["Ingress"]) and matches(p["spec"]["podSelector"], subject.labels)]
    if not selecting:
        return True
    for p in selecting:
        for rule in p["spec"].get(key, []):
            peers = rule.get(side, [])
            if (not peers or any(peer_matches(peer, other, "lwq") for peer in peers)) and port_matches(rule, port, destination):
                return True
    return False


def allowed(cluster, source, destination, port):
    """What each side says of a connection: (the source's egress, the destination's ingress)."""
    number = destination.port(port)
    return (direction_allows(cluster, "Egress", source, destination, number, destination),
            direction_allows(cluster, "Ingress", destination, source, number, destination))


def ends(cluster):
    found = {p.name.partition("/")[2]: End(p.name, p.labels, pod=p) for p in cluster.pods()}
    found["client"] = End("client", {"lwq/client": "true"})
    found["stranger"] = End("stranger", {"app": "other"})
    found["abroad"] = End("abroad", {"lwq/client": "true", "app.kubernetes.io/component": "worker"}, "other")
    found["prometheus"] = End("prometheus", {"app.kubernetes.io/name": "prometheus"}, "monitoring")
    found["keda"] = End("keda", {"app": "keda-operator"}, "keda")
    found["dns"] = End("dns", {"k8s-app": "kube-dns"}, "kube-system")
    found["internet"] = End("internet", {}, "internet")
    return found


def wanted(cluster):
    """Every connection that is meant to be: (source, destination, port)."""
    workers = [p.name.partition("/")[2] for p in cluster.pods_of("worker")]
    connections = {(w, "lwq-coordinator", "grpc") for w in workers}
    clients = ["client", "lwq-gc"]  # lwq gc lists the object store by itself
    connections |= {(source, "lwq-coordinator", "grpc") for source in clients}
    connections |= {(source, "internet", 443) for source in workers + clients}
    if cluster.find("Deployment", "lwq-store"):
        connections |= {(s, "lwq-store", "s3") for s in workers + clients}
    if cluster.of("ServiceMonitor"):
        connections |= {("prometheus", d, "metrics") for d in workers + ["lwq-coordinator"]}
    if cluster.of("ScaledObject"):
        connections.add(("keda", "lwq-coordinator", "scaler"))
    return connections


POOL = ["spec", "ingress", "0", "from", "0", "podSelector", "matchLabels", "lwq/pool"]


@policy("what has to talk can, and nothing else can: each side says so of every pair of pods and every port",
        # What a label with includeSelectors does: peers are narrowed to one pool, and the other is cut off.
        change(FIREWALL + "coordinator", POOL, "l4"),
        change(FIREWALL + "coordinator", "spec.ingress.0.from", []),
        change(FIREWALL + "coordinator", "spec.ingress.0.ports", GONE),
        change(FIREWALL + "worker", "spec.egress.0", GONE),
        change(FIREWALL + "worker", "spec.egress.1.ports.0.port", 80),
        change(FIREWALL + "default-deny", "spec.policyTypes", ["Egress"]),
        change(FIREWALL + "default-deny", "spec.podSelector", {"matchLabels": {"app.kubernetes.io/name": "lwq"}}),
        change(FIREWALL + "keda", "spec.ingress.0.ports.0.port", "grpc"),
        change(FIREWALL + "metrics", "spec.ingress.0.from.0.podSelector", GONE),
        change("NetworkPolicy/lwq-store", "spec.ingress.0.from", lambda peers: peers[:1]),
        change("CronJob/lwq-gc", ["spec", "jobTemplate", "spec", "template", "metadata", "labels", "lwq/client"], GONE))
def reach(cluster):
    found = ends(cluster)
    goal = wanted(cluster)
    ports = {name: [p["name"] for c in end.pod.containers for p in c.get("ports", [])]
             for name, end in found.items() if end.pod is not None}
    ports.update(internet=[443, 80], stranger=[80])
    for source in found:
        for destination in ports:
            if source == destination:
                continue
            for port in ports[destination]:
                should = (source, destination, port) in goal
                egress, ingress = allowed(cluster, found[source], found[destination], port)
                # Each side has to say so by itself: a mistake in one is then not the end of the wall.
                if found[source].namespace == "lwq" and egress != should:
                    yield f"{source} {'may' if egress else 'may not'} leave for {port} of {destination}"
                if found[destination].namespace == "lwq" and ingress != should:
                    yield f"{destination} {'lets' if ingress else 'does not let'} {source} in at {port}"
    other = End("other", {"app.kubernetes.io/name": "prometheus-node-exporter"}, "monitoring")
    if allowed(cluster, other, found["lwq-coordinator"], "metrics")[1]:
        yield "another pod of the monitoring namespace reaches metrics of lwq-coordinator"


@policy("pods ask kube-system's DNS and no other for names",
        change(FIREWALL + "dns", "spec.podSelector", {"matchLabels": {"app.kubernetes.io/name": "lwq"}}),
        change(FIREWALL + "dns", "spec.egress.0.to.0.namespaceSelector", {}),
        change(FIREWALL + "dns", "spec.egress.0.ports", lambda ports: ports[1:]))
def dns(cluster):
    rule = cluster.find("NetworkPolicy", "lwq-dns")["spec"]["egress"][0]
    if {(p["protocol"], p["port"]) for p in rule["ports"]} != {("UDP", 53), ("TCP", 53)}:
        yield "not UDP and TCP 53"
    for end in ends(cluster).values():
        if end.namespace != "lwq":
            continue
        if not allowed(cluster, end, End("dns", {"k8s-app": "kube-dns"}, "kube-system"), 53)[0]:
            yield f"{end.name} cannot ask"
        if allowed(cluster, end, End("dns", {"k8s-app": "kube-dns"}, "other"), 53)[0]:
            yield f"{end.name} can ask another namespace"


@policy("no pod reaches the clouds' metadata service",
        change(FIREWALL + "worker", "spec.egress.1.to.0.ipBlock.except", GONE),
        change(FIREWALL + "worker", "spec.egress.1.to.1.ipBlock.except", ["fe80::/10"]),
        change(FIREWALL + "dns", "spec.egress.0.to.1.ipBlock.cidr", "169.254.169.254/32"),
        change(FIREWALL + "dns", "spec.egress.0.to.1.ipBlock.cidr", "169.254.0.0/16"))
def metadata(cluster):
    needed = {"0.0.0.0/0": {"169.254.0.0/16"}, "::/0": {"fe80::/10", "fd00:ec2::/32"}, "169.254.20.10/32": set()}
    for p in cluster.of("NetworkPolicy"):
        for rule in p["spec"].get("egress", []):
            for peer in rule.get("to", []):
                block = peer.get("ipBlock")
                if block and block["cidr"] not in needed:
                    yield f"{p['metadata']['name']}: nobody has looked at {block['cidr']}"
                elif block and not needed[block["cidr"]] <= set(block.get("except", [])):
                    yield f"{p['metadata']['name']}: {block['cidr']} without {needed[block['cidr']]}"


@policy("every network policy says its policyTypes, and every rule its peers and ports",
        change(FIREWALL + "worker", "spec.policyTypes", GONE),
        change(FIREWALL + "worker", "spec.policyTypes", ["Ingress"]),
        change(FIREWALL + "coordinator", "spec.ingress.0.from", []),
        change(FIREWALL + "keda", "spec.ingress.0.ports", GONE),
        change(FIREWALL + "worker", ["spec", "egress", "1", "to", "0", "podSelector"], {}),
        change(FIREWALL + "coordinator", "spec.ingress.0.ports.0.port", "prometheus-metrics"),
        change(FIREWALL + "coordinator", "spec.ingress.0.ports.0.endPort", 7079),
        change(FIREWALL + "coordinator", "spec.podSelector", GONE))
def written(cluster):
    for p in cluster.of("NetworkPolicy"):
        name, spec = p["metadata"]["name"], p["spec"]
        types = spec.get("policyTypes", [])
        if not types:
            yield f"{name}: no policyTypes"
        if "podSelector" not in spec:
            yield f"{name}: no podSelector, which means all pods"
        for direction, side in (("ingress", "from"), ("egress", "to")):
            if direction in spec and direction.capitalize() not in types:
                yield f"{name}: {direction} rules that policyTypes leaves out"
            for rule in spec.get(direction, []):
                if not rule.get(side):
                    yield f"{name}: an empty {side} lets everybody in"
                if not rule.get("ports"):
                    yield f"{name}: a rule without ports"
                for peer in rule.get(side, []):
                    if not peer or ("ipBlock" in peer and len(peer) > 1):
                        yield f"{name}: a peer that the API server refuses"
                for port in rule.get("ports", []):
                    if isinstance(port.get("port"), str) and (len(port["port"]) > 15 or "endPort" in port):
                        yield f"{name}: port {port['port']} is too long, or has an endPort"


@policy("every selector of a network policy selects a pod, and every named port is one of those pods",
        change(FIREWALL + "worker", ["spec", "podSelector", "matchLabels", "app.kubernetes.io/component"], "workers"),
        change(FIREWALL + "coordinator", "spec.ingress.0.ports.0.port", "rpc"))
def selects(cluster):  # clients are pods that users bring; no overlay has one
    pods = cluster.pods()
    for p in cluster.of("NetworkPolicy"):
        name = p["metadata"]["name"]
        chosen = [pod for pod in pods if matches(p["spec"]["podSelector"], pod.labels)]
        if not chosen and not matches(p["spec"]["podSelector"], {"lwq/client": "true"}):
            yield f"{name}: selects no pod"
        for rule in p["spec"].get("ingress", []):
            for port in rule.get("ports", []):
                for pod in chosen:
                    if isinstance(port["port"], str) and pod.port(port["port"]) is None:
                        yield f"{name}: {pod.name} has no port {port['port']}"


@policy("a disruption budget selects pods, lets one go, and shares none of its pods with another",
        change("PodDisruptionBudget/lwq-coordinator", "spec.selector", {}),
        change("PodDisruptionBudget/lwq-coordinator", "spec.selector", GONE),
        change("PodDisruptionBudget/lwq-worker-l4", ["spec", "selector", "matchLabels", "lwq/pool"], GONE),
        change("PodDisruptionBudget/lwq-worker-cpu", ["spec", "selector", "matchLabels", "lwq/pool"], "gpu"),
        change("PodDisruptionBudget/lwq-coordinator", "spec", lambda spec: {
            "minAvailable": 1, "selector": spec["selector"]}),
        change("PodDisruptionBudget/lwq-worker-a100", "spec.unhealthyPodEvictionPolicy", GONE),
        added({"kind": "PodDisruptionBudget", "metadata": {"name": "another"}, "spec": {
            "maxUnavailable": 1, "unhealthyPodEvictionPolicy": "AlwaysAllow",
            "selector": {"matchLabels": {"app.kubernetes.io/component": "worker"}}}}))
def budgets(cluster):
    owners = {}
    for budget in cluster.of("PodDisruptionBudget"):
        name, spec = budget["metadata"]["name"], budget["spec"]
        if not spec.get("selector"):
            yield f"{name}: a selector that is absent selects nothing, an empty one everything"
            continue
        chosen = [pod for pod in cluster.pods() if matches(spec["selector"], pod.labels)]
        if not chosen:
            yield f"{name}: selects no pod"
        for pod in chosen:
            if pod.name in owners:
                yield f"{pod.name}: in {owners[pod.name]} and {name}; every eviction of it fails"
            owners[pod.name] = name
        if not re.fullmatch(r"[1-9][0-9]*%?", str(spec.get("maxUnavailable", ""))):
            yield f"{name}: no maxUnavailable above 0: with one replica minAvailable blocks every drain"
        if spec.get("unhealthyPodEvictionPolicy") != "AlwaysAllow":
            yield f"{name}: pods that are not ready cannot be evicted"
    for pod in cluster.pods_of("coordinator") + cluster.pods_of("worker"):
        if pod.name not in owners:
            yield f"{pod.name}: in no budget"
