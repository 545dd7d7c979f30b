# SPDX-License-Identifier: Apache-2.0
"""Pods: security, probes, resources, GPUs, ends."""
import re

from manifests import quantity
from policy import GONE, added, change, policy

COORDINATOR = "StatefulSet/lwq-coordinator"
L4 = "Deployment/lwq-worker-l4"
A100 = "Deployment/lwq-worker-a100"
CPU = "Deployment/lwq-worker-cpu"
STORE = "Deployment/lwq-store"
GC = "CronJob/lwq-gc"
POD = "spec.template.spec"
FIRST = POD + ".containers.0"
GC_POD = "spec.jobTemplate." + POD
GC_FIRST = "spec.jobTemplate." + FIRST


@policy("every pod meets PodSecurity's restricted level",
        change(L4, FIRST + ".securityContext.allowPrivilegeEscalation", GONE),
        change(L4, FIRST + ".securityContext.capabilities.drop", ["all"]),
        change(STORE, POD + ".initContainers.0.securityContext", {}),
        change(COORDINATOR, POD + ".securityContext.runAsNonRoot", GONE),
        change(COORDINATOR, POD + ".securityContext.seccompProfile", GONE),
        change(GC, GC_FIRST + ".securityContext.capabilities", GONE),
        change(GC, GC_POD + ".securityContext.runAsNonRoot", GONE),
        change(CPU, POD + ".volumes.0", {"name": "cache", "hostPath": {"path": "/var/cache/lwq"}}),
        change(CPU, FIRST + ".ports.0.hostPort", 9464),
        change(CPU, POD + ".hostNetwork", True))
def restricted(cluster):
    for pod in cluster.pods():
        context = pod.spec.get("securityContext", {})
        if context.get("runAsNonRoot") is not True:
            yield f"{pod.name}: runAsNonRoot is not true (a user id alone is not enough)"
        if context.get("seccompProfile", {}).get("type") != "RuntimeDefault":
            yield f"{pod.name}: no seccompProfile RuntimeDefault"
        for field in ("hostNetwork", "hostPID", "hostIPC"):
            if pod.spec.get(field):
                yield f"{pod.name}: {field}"
        for volume in pod.spec.get("volumes", []):
            kinds = set(volume) - {"name"}
            if not kinds <= {"emptyDir", "secret", "configMap", "projected", "persistentVolumeClaim"}:
                yield f"{pod.name}: volume {volume['name']} is a {kinds}"
        for container in pod.all_containers:
            context = container.get("securityContext", {})
            if context.get("allowPrivilegeEscalation") is not False:
                yield f"{pod.name}: {container['name']} may escalate"
            if context.get("capabilities") != {"drop": ["ALL"]}:
                yield f"{pod.name}: {container['name']} does not drop exactly [ALL]"
            if any("hostPort" in port for port in container.get("ports", [])):
                yield f"{pod.name}: {container['name']} has a hostPort"


@policy("the namespace enforces the restricted level at a pinned version",
        change("Namespace/lwq", ["metadata", "labels", "pod-security.kubernetes.io/enforce"], "baseline"),
        change("Namespace/lwq", ["metadata", "labels", "pod-security.kubernetes.io/enforce-version"], "latest"),
        change("Namespace/lwq", ["metadata", "labels", "pod-security.kubernetes.io/warn-version"], "1.37"))
def pinned_level(cluster):
    for namespace in cluster.of("Namespace"):
        labels = namespace["metadata"]["labels"]
        for mode in ("enforce", "warn", "audit"):
            if labels.get(f"pod-security.kubernetes.io/{mode}") != "restricted":
                yield f"{mode} is not restricted"
            if not re.fullmatch(r"v1\.\d+", labels.get(f"pod-security.kubernetes.io/{mode}-version", "")):
                yield f"{mode}-version is not of the form v1.N"


@policy("every container has a read-only root file system",
        change(A100, FIRST + ".securityContext.readOnlyRootFilesystem", False),
        change(GC, GC_FIRST + ".securityContext.readOnlyRootFilesystem", GONE))
def read_only(cluster):
    for pod in cluster.pods():
        for container in pod.all_containers:
            if container.get("securityContext", {}).get("readOnlyRootFilesystem") is not True:
                yield f"{pod.name}: {container['name']}"


@policy("every container that serves has a liveness probe, and the coordinator is ready by gRPC health on the plaintext health port",
        change(COORDINATOR, FIRST + ".readinessProbe.grpc.port", 7070),
        change(COORDINATOR, FIRST + ".livenessProbe", GONE),
        change(L4, FIRST + ".livenessProbe", GONE))
def probes(cluster):
    for pod in cluster.pods():
        for container in pod.containers if not pod.ends_by_itself else []:
            if "livenessProbe" not in container:
                yield f"{pod.name}: {container['name']} has no livenessProbe"
    pod = cluster.coordinator
    listen = (pod.flag("health-listen") or "").rpartition(":")[2]
    for name in ("startupProbe", "readinessProbe", "livenessProbe"):
        port = pod.containers[0].get(name, {}).get("grpc", {}).get("port")
        if str(port) != listen:
            yield f"{pod.name}: {name} asks port {port}, --health-listen is {listen}"
    if listen == (pod.flag("listen") or "").rpartition(":")[2]:
        yield f"{pod.name}: health has no port of its own"


@policy("no field is used that a switched-off feature gate drops in silence",
        change(COORDINATOR, FIRST + ".livenessProbe.grpc.mode", "TLS"),
        change(L4, FIRST + ".livenessProbe.httpGet.protocol", "H2C"),
        change(L4, FIRST + ".lifecycle", {"stopSignal": "SIGINT"}))
def gated(cluster):
    for pod in cluster.pods():
        for container in pod.all_containers:
            for name in ("startupProbe", "readinessProbe", "livenessProbe"):
                probe = container.get(name, {})
                if set(probe.get("grpc", {})) - {"port", "service"}:
                    yield f"{pod.name}: {name} has more than port and service: the kubelet would speak plaintext all the same"
                if "protocol" in probe.get("httpGet", {}) or "host" in probe.get("httpGet", {}):
                    yield f"{pod.name}: {name} has protocol or host"
                if name == "livenessProbe" and probe.get("successThreshold", 1) != 1:
                    yield f"{pod.name}: successThreshold of a livenessProbe must be 1"
            if "stopSignal" in container.get("lifecycle", {}):
                yield f"{pod.name}: lifecycle.stopSignal"


@policy("every container says cpu, memory and ephemeral-storage, requests and limits, in whole bytes",
        change(COORDINATOR, FIRST + ".resources.limits.memory", GONE),
        change(STORE, POD + ".initContainers.0.resources", {}),
        change(L4, FIRST + ".resources.requests", {"nvidia.com/gpu": "1"}),
        change(GC, GC_FIRST + ".resources.limits.ephemeral-storage", GONE),
        change(CPU, FIRST + ".resources.limits.memory", "400m"))
def resources(cluster):
    for pod in cluster.pods():
        for container in pod.all_containers:
            for side in ("requests", "limits"):
                given = container.get("resources", {}).get(side, {})
                for name in ("cpu", "memory", "ephemeral-storage"):
                    if name not in given:
                        yield f"{pod.name}: {container['name']} has no {side}.{name}"
                    elif name != "cpu" and str(given[name]).endswith("m"):
                        yield f"{pod.name}: {side}.{name} {given[name]} is in thousandths of bytes"


@policy("a pod with a GPU is Guaranteed, in whole GPUs of its main container",
        change(L4, FIRST + ".resources.requests.cpu", "2"),
        change(L4, FIRST + ".resources.requests", GONE),
        change(A100, FIRST + ".resources.limits", {"nvidia.com/gpu": "500m"}))
def guaranteed(cluster):
    for pod in cluster.pods():
        given = [c.get("resources", {}) for c in pod.containers]
        if not any("nvidia.com/gpu" in r.get("limits", {}) for r in given):
            continue
        for r in given:
            if r.get("requests") != r.get("limits"):
                yield f"{pod.name}: requests differ from limits"
            if not re.fullmatch(r"[1-9][0-9]*", str(r.get("limits", {}).get("nvidia.com/gpu", ""))):
                yield f"{pod.name}: nvidia.com/gpu is no whole number"


@policy("a pod goes to GPU nodes by toleration and node selector both, and only with a GPU",
        change(L4, POD + ".nodeSelector", GONE),
        change(A100, POD + ".tolerations", GONE),
        change(COORDINATOR, POD + ".tolerations", [{"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"}]),
        change(COORDINATOR, POD + ".tolerations", [{"operator": "Exists"}]))
def gpu_nodes(cluster):
    for pod in cluster.pods():
        tolerated = [t for t in pod.spec.get("tolerations", []) if t.get("key") in (None, "nvidia.com/gpu")]
        if pod.gpus() == 0:
            if tolerated:
                yield f"{pod.name}: tolerates GPU nodes without asking for a GPU"
            continue
        if not any(t.get("key") == "nvidia.com/gpu" and t.get("effect") == "NoSchedule" for t in tolerated):
            yield f"{pod.name}: no toleration of nvidia.com/gpu:NoSchedule"
        if not pod.spec.get("nodeSelector"):
            yield f"{pod.name}: no nodeSelector"


@policy("two pools never share a node selector",
        change(L4, POD + ".nodeSelector", {"cloud.google.com/gke-accelerator": "nvidia-tesla-a100"}))
def pools_apart(cluster):
    seen = {}
    for pod in cluster.pods():
        key = tuple(sorted(pod.spec.get("nodeSelector", {}).items()))
        if key and key in seen:
            yield f"{pod.name} and {seen[key]} both select {dict(key)}"
        seen[key] = pod.name


def bytes_of_flag(text):
    return quantity(text.removesuffix("B"))


@policy("what emptyDirs may hold fits in ephemeral-storage, and the cache in its emptyDir",
        change(L4, POD + ".volumes.0.emptyDir.sizeLimit", "500Gi"),
        change(CPU, POD + ".volumes.0.emptyDir", {}),
        change(A100, FIRST + ".args", lambda args: [a for a in args if "cache-bytes" not in a] + ["--cache-bytes=48GiB"]))
def disk(cluster):
    for pod in cluster.pods():
        used = 0
        for volume in pod.spec.get("volumes", []):
            if "emptyDir" not in volume:
                continue
            if "sizeLimit" not in volume["emptyDir"]:
                yield f"{pod.name}: emptyDir {volume['name']} has no sizeLimit"
                continue
            used += quantity(volume["emptyDir"]["sizeLimit"])
            if volume["name"] == "cache":
                cache = bytes_of_flag(pod.flag("cache-bytes") or "0")
                if not 0 < cache <= 0.9 * quantity(volume["emptyDir"]["sizeLimit"]):
                    yield f"{pod.name}: --cache-bytes is not within 90 % of its emptyDir (scratch needs the rest)"
        room = sum(quantity(c.get("resources", {}).get("limits", {}).get("ephemeral-storage", 0)) for c in pod.containers)
        if used > room:
            yield f"{pod.name}: emptyDirs may hold {used:.0f} bytes, ephemeral-storage is {room:.0f}"


@policy("a worker on CPUs leaves a part of its container's memory to what is no tensor",
        change(CPU, FIRST + ".resources.limits.memory", "6Gi"))
def tensor_memory(cluster):
    for pod in cluster.pods_of("worker"):
        limit = pod.flag("memory-limit-bytes")
        memory = quantity(pod.containers[0]["resources"]["limits"]["memory"])
        if pod.gpus() == 0 and (limit is None or bytes_of_flag(limit) > 0.8 * memory):
            yield f"{pod.name}: --memory-limit-bytes is absent or above 80 % of the limit"


@policy("SIGTERM fits the grace period, and a worker's what a spot node leaves",
        change(L4, POD + ".terminationGracePeriodSeconds", 10),
        change(A100, POD + ".terminationGracePeriodSeconds", 60),
        change(COORDINATOR, POD + ".terminationGracePeriodSeconds", 5),
        change(CPU, FIRST + ".lifecycle", {"preStop": {"sleep": {"seconds": 30}}}))
def grace(cluster):
    for pod in cluster.pods():
        seconds = pod.spec.get("terminationGracePeriodSeconds", 30)
        for container in pod.containers:
            seconds -= container.get("lifecycle", {}).get("preStop", {}).get("sleep", {}).get("seconds", 0)
        if pod.labels.get("app.kubernetes.io/component") == "worker":
            drain = float(pod.flag("drain-seconds") or 20)
            if drain + 10 > seconds:
                yield f"{pod.name}: draining may take {drain:.0f} s and 10 s for the rest, the grace period leaves {seconds}"
            if pod.spec.get("terminationGracePeriodSeconds", 30) > 25:
                yield f"{pod.name}: a spot node is gone after 25 s"
        elif seconds < 10:
            yield f"{pod.name}: {seconds} s are too few to end in"


@policy("no pod has a token of the Kubernetes API, and nothing has a role in it",
        change(COORDINATOR, POD + ".automountServiceAccountToken", GONE),
        change("ServiceAccount/lwq-worker", "automountServiceAccountToken", True),
        change(GC, GC_POD + ".automountServiceAccountToken", GONE),
        added({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "ClusterRoleBinding",
               "metadata": {"name": "lwq"}, "roleRef": {}, "subjects": []}))
def no_api_access(cluster):
    for pod in cluster.pods():
        if pod.spec.get("automountServiceAccountToken") is not False:
            yield f"{pod.name}: automountServiceAccountToken is not false"
    for account in cluster.of("ServiceAccount"):
        if account.get("automountServiceAccountToken") is not False:
            yield f"ServiceAccount {account['metadata']['name']}: automountServiceAccountToken is not false"
    for kind in ("Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"):
        if cluster.of(kind):
            yield f"there is a {kind}"


SECRET_WORDS = re.compile(r"secret|password|token|access_key|credential", re.IGNORECASE)


@policy("no secret stands in arguments, in an environment's value, or in a manifest outside dev",
        change(L4, FIRST + ".args", lambda args: args + ["--token=lwq_0123456789abcdef"]),
        change(L4, FIRST + ".args", lambda args: args + ["--objects=s3://u:password@bucket/x"]),
        change(L4, FIRST + ".env", lambda env: env + [{"name": "AWS_SECRET_ACCESS_KEY", "value": "abc"}]),
        change(COORDINATOR, FIRST + ".env", lambda env: env + [
            {"name": "LWQ_TOKEN", "valueFrom": {"configMapKeyRef": {"name": "lwq", "key": "token"}}}]),
        change(L4, FIRST + ".args", lambda args: args + ["--name=$(AWS_SECRET_ACCESS_KEY)"]),
        change(GC, GC_FIRST + ".env", lambda env: env + [{"name": "LWQ_TOKEN", "value": "lwq_0123456789abcdef"}]))
def secrets(cluster):
    for pod in cluster.pods():
        for container in pod.all_containers:
            hidden = set()
            for variable in container.get("env", []):
                source = variable.get("valueFrom", {})
                if "secretKeyRef" in source:
                    hidden.add(variable["name"])
                elif SECRET_WORDS.search(variable["name"]):
                    yield f"{pod.name}: {variable['name']} does not come from a Secret"
            for argument in container.get("args", []) + container.get("command", []):
                name, _, value = argument.partition("=")
                if any(f"$({variable})" in argument for variable in hidden):
                    yield f"{pod.name}: {name} shows a Secret"
                if SECRET_WORDS.search(name) and not value.startswith("/"):
                    yield f"{pod.name}: {name} is no path of a file"
                if re.search(r"://[^/]*:[^/]*@", argument):
                    yield f"{pod.name}: {name} holds a password"
    if cluster.name != "dev" and cluster.of("Secret"):
        yield "a Secret is part of the manifests"


@policy("outside dev the coordinator has TLS, client certificates and tokens, and workers and gc use them",
        change(COORDINATOR, FIRST + ".args", lambda args: args + ["--insecure"]),
        change(COORDINATOR, FIRST + ".args", lambda args: [a for a in args if not a.startswith("--tokens")]),
        change(COORDINATOR, FIRST + ".args", lambda args: [a for a in args if not a.startswith("--tls-client-ca")]),
        change(A100, FIRST + ".args", lambda args: [a for a in args if not a.startswith("--tls-ca")]),
        change(GC, GC_FIRST + ".args", lambda args: [a for a in args if not a.startswith("--tls-cert")]),
        change(GC, GC_FIRST + ".args", lambda args: [a for a in args if not a.startswith("--token-file")]))
def secured(cluster):
    if cluster.name == "dev":
        return
    pod = cluster.coordinator
    if pod.flag("insecure") is not None:
        yield f"{pod.name}: --insecure"
    for flag in ("tls-cert", "tls-key", "tls-client-ca", "tokens"):
        if pod.flag(flag) is None:
            yield f"{pod.name}: no --{flag}"
    for caller in cluster.pods_of("worker") + cluster.pods_of("gc"):
        for flag in ("tls-ca", "tls-cert", "tls-key", "token-file"):
            if caller.flag(flag) is None:
                yield f"{caller.name}: no --{flag}"


@policy("every image has a fixed tag",
        change(L4, FIRST + ".image", "registry.example/lwq/worker:latest"),
        change(COORDINATOR, FIRST + ".image", "lwq-coordinator"))
def images(cluster):
    for pod in cluster.pods():
        for container in pod.all_containers:
            name, _, tag = container["image"].rpartition("/")[2].partition(":")
            if "@sha256:" not in container["image"] and tag in ("", "latest"):
                yield f"{pod.name}: {container['image']}"


@policy("names of ports and variables are unique in a container, ports of at most 15 characters",
        change(COORDINATOR, FIRST + ".ports.2.name", "prometheus-metrics"),
        change(COORDINATOR, FIRST + ".ports.2.name", "grpc"),
        change(COORDINATOR, FIRST + ".ports.2.containerPort", 7070),
        change(L4, FIRST + ".env", lambda env: env + [env[0]]))
def unique_names(cluster):
    for pod in cluster.pods():
        for container in pod.all_containers:
            ports = container.get("ports", [])
            for names in ([p.get("name") for p in ports], [p["containerPort"] for p in ports],
                          [v["name"] for v in container.get("env", [])],
                          [m["mountPath"] for m in container.get("volumeMounts", [])]):
                for name in {n for n in names if names.count(n) > 1}:
                    yield f"{pod.name}: {name} twice in {container['name']}"
            for port in ports:
                if len(port.get("name", "")) > 15:
                    yield f"{pod.name}: port name {port['name']} is longer than 15 characters"


@policy("every listening flag is a port of the container",
        change(COORDINATOR, FIRST + ".ports.1.containerPort", 7079),
        change(COORDINATOR, FIRST + ".args", lambda args: args + ["--scaler-listen=127.0.0.1:7071"]))
def listening(cluster):
    names = {"listen": "grpc", "health-listen": "health", "metrics-listen": "metrics", "scaler-listen": "scaler",
             "web-listen": "web"}
    for pod in cluster.pods_of("coordinator") + cluster.pods_of("worker"):
        for container in pod.containers:
            for argument in container.get("args", []):
                flag, _, value = argument.removeprefix("--").partition("=")
                if flag not in names:
                    continue
                host, _, port = value.rpartition(":")
                if host != "0.0.0.0" or str(pod.port(names[flag])) != port:
                    yield f"{pod.name}: --{flag}={value}, port {names[flag]} is {pod.port(names[flag])}"


@policy("the coordinator has one pod of a StatefulSet on a volume that outlives it",
        change(COORDINATOR, "spec.replicas", 2),
        change(COORDINATOR, "spec.volumeClaimTemplates", []),
        change(COORDINATOR, FIRST + ".volumeMounts.0.mountPath", "/state"))
def one_coordinator(cluster):
    owner = cluster.coordinator.owner
    if owner["kind"] != "StatefulSet" or owner["spec"].get("replicas") != 1:
        yield "not a StatefulSet of 1 replica"
    claims = [c["metadata"]["name"] for c in owner["spec"].get("volumeClaimTemplates", [])]
    folder = (cluster.coordinator.flag("store") or "").removeprefix("sqlite:").rpartition("/")[0]
    mounts = cluster.coordinator.containers[0]["volumeMounts"]
    if not any(m["name"] in claims and m["mountPath"] == folder for m in mounts):
        yield f"--store is in {folder}, which is no volume of {claims}"


@policy("every overlay collects garbage: once a day, never twice at once, within a day, and keeps what is young",
        change(GC, "spec.concurrencyPolicy", "Allow"),
        change(GC, "spec.concurrencyPolicy", GONE),
        change(GC, "spec.suspend", True),
        change(GC, "spec.schedule", "* * * * *"),
        change(GC, "spec.timeZone", GONE),
        change(GC, "spec.jobTemplate.spec.activeDeadlineSeconds", GONE),
        change(GC, "spec.jobTemplate.spec.activeDeadlineSeconds", 2 * 86400),
        change(GC, GC_POD + ".restartPolicy", "OnFailure"),
        change(GC, GC_FIRST + ".args", lambda args: args + ["--everything"]),
        change(GC, GC_FIRST + ".args", lambda args: args + ["--dry-run"]),
        change(GC, GC_FIRST + ".args", lambda args: [a for a in args if not a.startswith("--grace")] + ["--grace=5m"]))
def collects_garbage(cluster):
    jobs = cluster.of("CronJob")
    if [o["metadata"]["name"] for o in jobs] != ["lwq-gc"]:
        yield f"CronJobs {[o['metadata']['name'] for o in jobs]}"
        return
    spec = jobs[0]["spec"]
    job, pod = spec["jobTemplate"]["spec"], cluster.pods_of("gc")[0]
    if spec.get("concurrencyPolicy") != "Forbid" or spec.get("suspend") or "timeZone" not in spec:
        yield "two at once, none at all, or at an hour of the control plane's"
    if not re.fullmatch(r"[0-9]+ [0-9]+ \* \* \*", spec["schedule"]):
        yield f"schedule {spec['schedule']}"
    if not 0 < job.get("activeDeadlineSeconds", 0) <= 86400:
        yield "may still run when the next one is due"
    # podFailurePolicy, which ends a Job that was refused, is obeyed with this alone.
    if pod.spec["restartPolicy"] != "Never" or "podFailurePolicy" not in job:
        yield "a refusal is repeated"
    if pod.containers[0]["args"][0] != "gc" or pod.flag("everything") is not None or pod.flag("dry-run") is not None:
        yield f"args {pod.containers[0]['args']}"
    if not re.fullmatch(r"([2-9][0-9]|[0-9]{3,})h", pod.flag("grace") or ""):
        yield f"--grace={pod.flag('grace')}: uploads of models take hours"
