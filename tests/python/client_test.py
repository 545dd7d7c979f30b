# SPDX-License-Identifier: Apache-2.0
"""The Python client, from its wheel, against a coordinator."""
import asyncio
import contextlib
import importlib.metadata
import inspect
import os
import pathlib
import sys
import tempfile
import types
import unittest
import unittest.mock

import wheel
from coordinator import Coordinator, StandsBy

INSTALLED = wheel.Installed()
import lwq  # noqa: E402
from lwqat.v1 import run_pb2, spec_pb2  # noqa: E402

CONFIG = (pathlib.Path(__file__).parents[1] / "fixtures/model/config.json").read_text()
NOOP = {"method": "noop", "train_size": 2}
PROGRAMS_VARIABLES = ("LWQ_COORDINATOR", "LWQ_TOKEN_FILE", "LWQ_TLS_CA", "LWQ_TLS_CERT", "LWQ_TLS_KEY", "TRACEPARENT")


def uploaded_run():
    """As lwq submit sends it: the coordinator opens no object, so names of artifacts are enough."""
    spec = spec_pb2.RunSpec(name="base", recipe=spec_pb2.Recipe(method="rtn", wbits=4, group_size=32))
    spec.model.name = "tiny"
    spec.model.config_json = CONFIG
    for ref, digit in ((spec.model.files, "a"), (spec.model.tokenizer, "b")):
        ref.digest, ref.size_bytes = digit * 64, 1000
    text = spec.eval_texts.add(name="held-out")
    text.files.digest, text.files.size_bytes = "c" * 64, 1000
    return spec


class ClientTest(unittest.TestCase):
    def setUp(self):
        cleared = {name: "" for name in PROGRAMS_VARIABLES}
        self.enterContext(unittest.mock.patch.dict(os.environ, cleared))
        folder = self.enterContext(tempfile.TemporaryDirectory())
        self.coordinator = Coordinator(folder).start()
        self.addCleanup(self.coordinator.kill)
        self.client = self.enterContext(lwq.Client(self.coordinator.address))

    def test_a_run_is_submitted_found_paused_resumed_cancelled_and_deleted(self):
        run = self.client.submit({"name": "nothing", **NOOP})
        self.assertEqual("running", lwq.state_name(self.client.get(run.id[:6])))
        self.assertEqual([run.id], [listed.id for listed in self.client.list(name="noth*")])
        self.assertEqual([], self.client.list(name="other*"))
        self.assertTrue(self.client.pause(run.id).paused)
        self.assertFalse(self.client.resume(run.id).paused)
        self.assertEqual("cancelled", lwq.state_name(self.client.cancel(run.id)))
        self.assertEqual("cancelled", lwq.state_name(self.client.wait(run.id)))
        self.assertEqual(run.id, self.client.delete(run.id).run_id)
        self.assertEqual([], self.client.list())

    def test_lists_go_on_to_the_next_page_and_end_at_the_limit(self):
        for _ in range(5):
            self.client.submit(NOOP)
        with unittest.mock.patch("lwq._calls.RUNS_A_PAGE", 2):
            self.assertEqual(5, len({run.id for run in self.client.list()}))
            self.assertEqual(3, len(self.client.list(limit=3)))

    def test_refusals_are_exceptions_of_their_code_with_the_coordinators_words(self):
        with self.assertRaises(lwq.InvalidArgumentError) as refused:
            self.client.submit({**NOOP, "train_size": -1})
        self.assertEqual("INVALID_ARGUMENT", refused.exception.code.name)
        self.assertRegex(refused.exception.message, "train_size")
        self.assertNotIn("\n", refused.exception.message)
        with self.assertRaisesRegex(lwq.NotFoundError, "abcdef"):
            self.client.get("abcdef123456")
        self.assertEqual([], self.client.list(), "nothing was stored")

    def test_keys_are_checked_before_anything_is_sent(self):
        for run, message in (({"wbit": 2}, 'unknown key "wbit"; did you mean wbits'), ({"wbits": "two"}, "wbits: expected an integer"),
                             ({"wbits": True}, "wbits: expected an integer"), ({"eval_ppl": 1.5}, "eval_ppl: expected true or false"),
                             ({"wbits": 1 << 40}, "wbits: "), ({"arms": []}, "arms: is of sweep"), (["a"], "a run is a mapping")):
            with self.subTest(run=run), self.assertRaisesRegex(lwq.InvalidArgumentError, message):
                self.client.submit(run if isinstance(run, dict) else self._yaml(run))
        with self.assertRaisesRegex(lwq.InputNotUploadedError, "^model: this client uploads nothing; .*inputs_of$"):
            self.client.submit({"model": "models/tiny", "method": "rtn"})

    def _yaml(self, value):
        path = pathlib.Path(self.coordinator.folder) / "run.yaml"
        path.write_text(repr(value))
        return path

    def test_a_yaml_file_is_read_as_lwq_reads_it(self):
        path = pathlib.Path(self.coordinator.folder) / "run.yaml"
        path.write_text("name: from a file\nmethod: noop\ntrain_size: 3\nquant_lr: 1e-4\nsensitivity_bits: [2, 3]\n")
        spec = self.client.get(self.client.submit(path).id).spec
        self.assertEqual(("from a file", 3, 1e-4, "2,3"),
                         (spec.name, spec.recipe.train_size, spec.recipe.quant_lr, spec.recipe.sensitivity_bits))

    def test_a_run_takes_the_inputs_of_one_that_lwq_uploaded(self):
        base = self.client.submit(uploaded_run())
        plan = self.client.plan({"method": "rtn", "wbits": 3, "group_size": 32}, inputs_of=base.id)
        self.assertTrue(all(block.bit_width == 3 for block in plan.blocks))
        run = self.client.get(self.client.submit({"method": "rtn", "wbits": 3, "group_size": 32}, inputs_of=base.id).id)
        self.assertEqual("tiny-rtn", run.spec.name)
        self.assertEqual((uploaded_run().model.files, CONFIG), (run.spec.model.files, run.spec.model.config_json))
        self.assertEqual(["held-out"], [text.name for text in run.spec.eval_texts])

    def test_a_sweep_is_labelled_by_what_differs_and_comes_back_as_rows_and_as_a_frame(self):
        runs = lwq.grid(NOOP, seed=[1, 2], priority=[0, 5])
        plan = self.client.plan_sweep("bits", runs)
        self.assertEqual(4, len(plan.plans))
        sweep = self.client.sweep("bits", runs)
        self.assertEqual([{"seed": "1", "priority": "0"}, {"seed": "1", "priority": "5"}, {"seed": "2", "priority": "0"},
                          {"seed": "2", "priority": "5"}], [dict(member.labels) for member in sweep.members])
        self.assertEqual([sweep.id], [listed.id for listed in self.client.list_sweeps()])
        self.client.cancel_sweep(sweep.id)
        seen = {}
        for event in self.client.watch_sweep(sweep.id):
            seen.update({run.id: lwq.state_name(run) for run in event.changed})
        self.assertEqual(["cancelled"] * 4, list(seen.values()))
        rows = self.client.results(sweep_id=sweep.id)
        self.assertEqual(["1", "1", "2", "2"], [row["label_seed"] for row in rows])
        self.assertEqual("bits seed=2 priority=5", rows[3]["name"])
        pandas = types.SimpleNamespace(DataFrame=lambda rows, columns: (rows, columns))
        with unittest.mock.patch.dict(sys.modules, {"pandas": pandas}):
            frame, columns = self.client.frame(sweep_id=sweep.id)
        self.assertEqual(rows, frame)
        self.assertEqual("result_digest", columns[-1])
        with unittest.mock.patch.dict(sys.modules, {"pandas": None}), self.assertRaisesRegex(ImportError, "pip install pandas"):
            self.client.frame(sweep_id=sweep.id)

    def test_watching_goes_on_through_a_restart_of_the_coordinator(self):
        run = self.client.submit(NOOP)
        events = self.client.watch(run.id)
        first = next(events)
        self.assertFalse(first.ended)
        self.assertEqual("noop", first.run.spec.recipe.method)
        self.coordinator.kill()
        self.coordinator.start()
        with lwq.Client(self.coordinator.address) as other:
            other.cancel(run.id)
        last = list(events)[-1]
        self.assertTrue(last.ended)
        self.assertEqual("cancelled", lwq.state_name(last.run))
        self.assertEqual("noop", last.run.spec.recipe.method, "what a change leaves out is kept")

    def test_whoever_does_not_answer_is_unavailable(self):
        self.coordinator.kill()
        with lwq.Client(self.coordinator.address, timeout=0) as client:
            with self.assertRaisesRegex(lwq.UnavailableError, f"no coordinator answers at {self.coordinator.address}"):
                client.list()
        self.coordinator.start()  # for the clean-up

    def test_variables_of_lwq_name_the_coordinator(self):
        with unittest.mock.patch.dict(os.environ, {"LWQ_COORDINATOR": self.coordinator.address}), lwq.Client() as client:
            self.assertEqual(client.server_version(), self.client.server_version())
        with self.assertRaisesRegex(lwq.InvalidArgumentError, "no coordinator is named"):
            lwq.Client()

    def test_of_several_addresses_the_one_that_leads_is_called(self):
        with tempfile.TemporaryDirectory() as folder:
            gone = Coordinator(folder).start()
            gone.kill()
        with StandsBy(self.coordinator.address) as standby:
            for addresses in (f"{gone.address},{self.coordinator.address}",
                              f"{standby.address},{gone.address},{self.coordinator.address}"):
                with lwq.Client(addresses) as client:
                    run = client.submit(NOOP)
                    self.assertEqual("cancelled", lwq.state_name(client.cancel(run.id)))
                    self.assertTrue(list(client.watch(run.id))[-1].ended)
            with lwq.Client(f"{standby.address},{gone.address}", timeout=0.2) as client:
                with self.assertRaisesRegex(lwq.UnavailableError, f"answers at {standby.address}, {gone.address}"):
                    client.list()
        with self.assertRaisesRegex(lwq.InvalidArgumentError, 'expected HOST:PORT, got "nowhere"'):
            lwq.Client(f"{gone.address},nowhere")

    def test_a_token_never_goes_to_another_machine_in_the_clear(self):
        with self.assertRaisesRegex(lwq.FailedPreconditionError, "in the clear: give tls_ca"):
            lwq.Client("node0:7070", token="lwq_secret")
        with self.assertRaisesRegex(lwq.FailedPreconditionError, "would go to node0:7070 in the clear"):
            lwq.Client("[::1]:7070,node0:7070", token="lwq_secret")
        lwq.Client("[::1]:7070", token="lwq_secret").close()
        with self.assertRaisesRegex(lwq.FailedPreconditionError, "token_file /nowhere: No such file"):
            lwq.Client("node0:7070", token_file="/nowhere")

    def test_the_asyncio_client_does_the_same(self):
        async def act():
            async with lwq.aio.Client(self.coordinator.address) as client:
                run = await client.submit(NOOP)
                states = []
                async with contextlib.aclosing(client.watch(run.id)) as events:
                    async for event in events:
                        states.append(lwq.state_name(event.run))
                        if len(states) == 1:
                            await client.cancel(run.id)
                sweep = await client.sweep("two", lwq.grid(NOOP, seed=[1, 2]))
                rows = await client.results([run.id], sweep_id=sweep.id)
                with self.assertRaises(lwq.NotFoundError):
                    await client.get("abcdef123456")
                return states, rows

        states, rows = asyncio.run(act())
        self.assertEqual(["running", "cancelled"], [states[0], states[-1]])
        self.assertEqual([None, "1", "2"], [row.get("label_seed") for row in rows])


class PackageTest(unittest.TestCase):
    def test_both_clients_have_the_same_methods_with_the_same_arguments(self):
        def methods(client):
            return {name: [str(p) for p in inspect.signature(method).parameters.values()]
                    for name, method in inspect.getmembers(client, inspect.isfunction) if not name.startswith("_")}
        self.assertEqual(methods(lwq.Client), methods(lwq.aio.Client))
        self.assertIn("watch", methods(lwq.Client))

    def test_the_wheel_is_typed_and_needs_grpcio_and_protobuf_alone(self):
        self.assertIn("lwq/py.typed", INSTALLED.names)
        modules = [name for name in INSTALLED.names if name.endswith("_pb2.py")]
        self.assertEqual(len(list((wheel.ROOT / "proto/lwqat/v1").glob("*.proto"))), len(modules))
        for module in modules:
            self.assertIn(f"{module}i", INSTALLED.names)
        needed = [line for line in importlib.metadata.distribution("lwq").requires if "extra" not in line]
        self.assertEqual(["grpcio", "protobuf"], sorted(line.partition(">")[0].strip(" (") for line in needed))

    def test_a_change_is_put_into_the_run_that_was_known(self):
        changes = lwq.events.RunChanges("abcd")
        whole = lwq.events.WatchRunResponse(resume_token="t1")
        whole.run.spec.name = "mine"
        whole.run.plan.average_bits = 2
        whole.run.tasks_total = 3
        whole.run.tasks.add(title="a")
        changes.take(whole)
        change = lwq.events.WatchRunResponse(is_change=True, resume_token="t2", task_positions=[2], more=True)
        change.run.state = run_pb2.RUN_STATE_SUCCEEDED
        change.run.tasks_total = 3
        change.run.tasks.add(title="c")
        event = changes.take(change)
        self.assertEqual(("mine", 2, ["a", "", "c"]),
                         (event.run.spec.name, event.run.plan.average_bits, [task.title for task in event.run.tasks]))
        self.assertFalse(event.ended, "more follows")
        self.assertEqual("t2", changes.request().resume_token)
