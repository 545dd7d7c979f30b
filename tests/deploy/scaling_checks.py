# SPDX-License-Identifier: Apache-2.0
"""Who scales what, within which limits: KEDA, Kueue, quotas."""
from manifests import matches
from policy import GONE, added, change, policy

L4 = "ScaledObject/lwq-worker-l4"
TRIGGER = "spec.triggers.0"


@policy("replicas are left out where KEDA scales, and written where nobody does",
        change("Deployment/lwq-worker-l4", "spec.replicas", 1),
        change("Deployment/lwq-worker-cpu", "spec.replicas", GONE))
def replicas(cluster):
    scaled = {o["spec"]["scaleTargetRef"]["name"] for o in cluster.of("ScaledObject")}
    for deployment in cluster.of("Deployment"):
        name = deployment["metadata"]["name"]
        if ("replicas" in deployment["spec"]) == (name in scaled):
            yield f"{name}: {'scaled by KEDA' if name in scaled else 'scaled by nobody'}"


@policy("every ScaledObject scales one Deployment that is there, with a TriggerAuthentication that is there",
        change(L4, "spec.scaleTargetRef.name", "lwq-worker"),
        change(L4, TRIGGER + ".authenticationRef.name", "scaler"),
        change("TriggerAuthentication/lwq-scaler", "spec.secretTargetRef.0.name", "lwq-keda"),
        change("TriggerAuthentication/lwq-scaler", "spec.secretTargetRef.1.parameter", "cert"))
def targets(cluster):
    names = [o["spec"]["scaleTargetRef"]["name"] for o in cluster.of("ScaledObject")]
    for name in names:
        if not cluster.find("Deployment", name) or names.count(name) > 1:
            yield f"{name}: no Deployment, or scaled twice"
    secrets = {o["spec"]["secretName"] for o in cluster.of("Certificate")}
    for o in cluster.of("ScaledObject"):
        for trigger in o["spec"]["triggers"]:
            authentication = cluster.find("TriggerAuthentication", trigger.get("authenticationRef", {}).get("name"))
            if authentication is None:
                yield f"{o['metadata']['name']}: no TriggerAuthentication"
    for authentication in cluster.of("TriggerAuthentication"):
        references = authentication["spec"]["secretTargetRef"]
        if {r["parameter"] for r in references} != {"caCert", "tlsClientCert", "tlsClientKey"}:
            yield "not KEDA's three parameters of mutual TLS"
        for reference in references:
            if reference["name"] not in secrets:
                yield f"no Certificate keeps {reference['name']}"


@policy("a ScaledObject says nothing that KEDA's webhook refuses, or takes and never reaches",
        change(L4, TRIGGER + ".type", "externals"),
        change(L4, TRIGGER + ".metricType", "Utilization"),
        change(L4, "spec.idleReplicaCount", 0),
        change(L4, "spec.fallback", {"failureThreshold": 3, "replicas": 0}),
        change(L4, "spec.maxReplicaCount", 0),
        change(L4, TRIGGER + ".metadata.deviceSeconds", 1800))
def scaled_objects(cluster):
    for o in cluster.of("ScaledObject"):
        name, spec = o["metadata"]["name"], o["spec"]
        if "fallback" in spec:
            yield f"{name}: fallback is not reached while the coordinator is down, and 0 there ends the pool"
        if "idleReplicaCount" in spec and spec["idleReplicaCount"] >= spec.get("minReplicaCount", 0):
            yield f"{name}: idleReplicaCount is not below minReplicaCount"
        if not spec.get("minReplicaCount", 0) < spec.get("maxReplicaCount", 100):
            yield f"{name}: minReplicaCount is not below maxReplicaCount"
        for trigger in spec["triggers"]:
            if trigger["type"] != "external" or trigger.get("metricType") != "AverageValue":
                yield f"{name}: trigger {trigger['type']}, {trigger.get('metricType')}"
            for key, value in trigger["metadata"].items():
                if not isinstance(value, str):
                    yield f"{name}: {key} is no string"


@policy("KEDA asks the coordinator's scaler port, with TLS",
        change(L4, TRIGGER + ".metadata.scalerAddress", "lwq-coordinator.default.svc:7071"),
        change(L4, TRIGGER + ".metadata.scalerAddress", "lwq-coordinator.lwq.svc:7070"),
        change(L4, TRIGGER + ".metadata.enableTLS", GONE),
        change("StatefulSet/lwq-coordinator", "spec.template.spec.containers.0.args",
               lambda args: [a for a in args if not a.startswith("--scaler-listen")]),
        overlays=("gke-l4-a100", "gke-l4-a100-kueue", "eks-a100"))
def scaler_address(cluster):
    service = cluster.find("Service", "lwq-coordinator")
    port = next((p["port"] for p in service["spec"]["ports"] if p["name"] == "scaler"), None)
    right = f"lwq-coordinator.{service['metadata']['namespace']}.svc:{port}"
    for o in cluster.of("ScaledObject"):
        metadata = o["spec"]["triggers"][0]["metadata"]
        if metadata["scalerAddress"] != right:
            yield f"{o['metadata']['name']}: {metadata['scalerAddress']}, not {right}"
        if metadata.get("enableTLS") != "true":
            yield f"{o['metadata']['name']}: without TLS"
    if not (cluster.coordinator.flag("scaler-listen") or "").endswith(f":{port}"):
        yield "the coordinator does not listen there"


@policy("a quota on GPUs counts requests",
        change("ResourceQuota/lwq-gpus", "spec.hard", {"limits.nvidia.com/gpu": "24"}))
def quotas(cluster):
    gpus = any(pod.gpus() for pod in cluster.pods())
    hard = [key for o in cluster.of("ResourceQuota") for key in o["spec"]["hard"]]
    if "limits.nvidia.com/gpu" in hard:
        yield "limits.nvidia.com/gpu is accepted and never counted"
    if gpus and "requests.nvidia.com/gpu" not in hard:
        yield "nothing bounds the GPUs of the namespace"


@policy("the quota has room for what KEDA may ask for",
        change("ResourceQuota/lwq-gpus", ["spec", "hard", "requests.nvidia.com/gpu"], "4"))
def room(cluster):
    asked = 0
    for o in cluster.of("ScaledObject"):
        pod = next(p for p in cluster.pods() if p.owner["metadata"]["name"] == o["spec"]["scaleTargetRef"]["name"])
        asked += o["spec"]["maxReplicaCount"] * pod.gpus()
    for o in cluster.of("ResourceQuota"):
        if asked > int(o["spec"]["hard"].get("requests.nvidia.com/gpu", asked)):
            yield f"KEDA may ask for {asked} GPUs"


QUEUE = ["metadata", "labels", "kueue.x-k8s.io/queue-name"]


@policy("no LocalQueue is called default, and only workers are queued, in a queue that is there",
        change("LocalQueue/lwq-workers", "metadata.name", "default"),
        change("StatefulSet/lwq-coordinator", QUEUE, "lwq-workers"),
        change("Deployment/lwq-worker-l4", QUEUE, GONE),
        change("Deployment/lwq-worker-l4", QUEUE, "workers"),
        overlays=("gke-l4-a100-kueue",))
def queues(cluster):
    if cluster.find("LocalQueue", "default"):
        yield "a LocalQueue called default gates every pod of the namespace"
    for pod in cluster.pods():
        queue = pod.owner["metadata"]["labels"].get("kueue.x-k8s.io/queue-name")
        if pod.labels["app.kubernetes.io/component"] == "worker":
            if queue is None or not cluster.find("LocalQueue", queue):
                yield f"{pod.name}: queue {queue}"
        elif queue is not None:
            yield f"{pod.name}: is queued"
    for queue in cluster.of("LocalQueue"):
        if not cluster.find("ClusterQueue", queue["spec"]["clusterQueue"]):
            yield f"no ClusterQueue {queue['spec']['clusterQueue']}"


@policy("the ClusterQueue takes this namespace, covers all that its pods request, on flavors whose nodes they select",
        change("ClusterQueue/lwq", "spec.resourceGroups.0.coveredResources", ["cpu", "memory", "nvidia.com/gpu"]),
        change("ClusterQueue/lwq", "spec.namespaceSelector", {"matchLabels": {"kubernetes.io/metadata.name": "default"}}),
        change("ClusterQueue/lwq", "spec.resourceGroups.0.flavors.0.name", "l4"),
        change("ResourceFlavor/lwq-l4", ["spec", "nodeLabels"], {"cloud.google.com/gke-accelerator": "nvidia-tesla-t4"}),
        overlays=("gke-l4-a100-kueue",))
def cluster_queue(cluster):
    home = cluster.of("Namespace")[0]["metadata"]["name"]
    flavors = {o["metadata"]["name"]: o["spec"]["nodeLabels"] for o in cluster.of("ResourceFlavor")}
    for queue in cluster.of("ClusterQueue"):
        if not matches(queue["spec"].get("namespaceSelector"), {"kubernetes.io/metadata.name": home}):
            yield f"{queue['metadata']['name']}: does not take namespace {home}"
        covered = {r for g in queue["spec"]["resourceGroups"] for r in g["coveredResources"]}
        named = [f["name"] for g in queue["spec"]["resourceGroups"] for f in g["flavors"]]
        for name in named:
            if name not in flavors:
                yield f"no ResourceFlavor {name}"
        for group in queue["spec"]["resourceGroups"]:
            for flavor in group["flavors"]:
                if [r["name"] for r in flavor["resources"]] != group["coveredResources"]:
                    yield f"{flavor['name']}: resources differ from coveredResources"
        for pod in cluster.pods_of("worker"):
            missing = set(pod.containers[0]["resources"]["requests"]) - covered
            if missing:
                yield f"{pod.name}: requests {sorted(missing)}, which no quota covers: it would wait for ever"
            if pod.spec.get("nodeSelector") not in flavors.values():
                yield f"{pod.name}: no flavor has the nodes it selects"


@policy("objects are of the API versions that are stored",
        change("ClusterQueue/lwq", "apiVersion", "kueue.x-k8s.io/v1beta1"),
        added({"apiVersion": "policy/v1beta1", "kind": "PodDisruptionBudget", "metadata": {"name": "old"}}))
def versions(cluster):
    stored = {"apps": "v1", "policy": "v1", "networking.k8s.io": "v1", "cert-manager.io": "v1", "keda.sh": "v1alpha1",
              "kueue.x-k8s.io": "v1beta2", "monitoring.coreos.com": "v1", "rbac.authorization.k8s.io": "v1"}
    for o in cluster.objects:
        group, _, version = o["apiVersion"].rpartition("/")
        if version != stored.get(group, "v1"):
            yield f"{o['kind']} {o['metadata']['name']}: {o['apiVersion']}"
