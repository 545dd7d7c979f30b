# SPDX-License-Identifier: Apache-2.0
"""promtool's word on the rules: they are well formed, every alert fires in its case of alerts_test.yaml and is silent
before, and an alert that never fires would be seen. PROMTOOL names the program (run_tests.py --promtool).
"""
import copy
import os
import pathlib
import subprocess
import tempfile
import unittest

import yaml

HERE = pathlib.Path(__file__).parent
RULES = HERE.parents[1] / "deploy/components/monitoring/rules.yaml"


def promtool(arguments, rules, cases=None):
    with tempfile.TemporaryDirectory() as folder:
        (pathlib.Path(folder) / "rules.yaml").write_text(yaml.safe_dump(rules))
        if cases is not None:
            (pathlib.Path(folder) / "cases.yaml").write_text(yaml.safe_dump(cases))
        done = subprocess.run([os.environ.get("PROMTOOL", "promtool"), *arguments], cwd=folder, text=True,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
    return done.returncode, done.stdout


class AlertsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.rules = {"groups": yaml.safe_load(RULES.read_text())["spec"]["groups"]}
        cls.alerts = {rule["alert"]: rule for group in cls.rules["groups"] for rule in group["rules"]}
        cls.cases = yaml.safe_load((HERE / "alerts_test.yaml").read_text())
        for case in cls.cases["tests"]:
            for test in case["alert_rule_test"]:
                for fired in test["exp_alerts"]:
                    fired["exp_annotations"]["description"] = cls.alerts[test["alertname"]]["annotations"]["description"]

    def test_promtool_finds_the_rules_well_formed(self):
        status, said = promtool(["check", "rules", "rules.yaml"], self.rules)
        self.assertEqual(0, status, said)
        self.assertIn(f"{len(self.alerts)} rules found", said)

    def test_promtool_finds_a_wrong_expression(self):
        rules = copy.deepcopy(self.rules)
        rules["groups"][0]["rules"][0]["expr"] = "absent(up{"
        self.assertNotEqual(0, promtool(["check", "rules", "rules.yaml"], rules)[0])

    def test_every_alert_has_a_case_in_which_it_is_silent_and_fires(self):
        for name in self.alerts:
            tests = [t for case in self.cases["tests"] for t in case["alert_rule_test"] if t["alertname"] == name]
            with self.subTest(name):
                self.assertTrue(any(t["exp_alerts"] for t in tests), "it never fires")
                self.assertTrue(any(not t["exp_alerts"] for t in tests), "it is never silent")

    def test_the_manual_says_what_to_do_for_every_alert(self):
        table = (HERE.parents[1] / "docs/deploy.md").read_text().partition("## Troubleshooting")[2]
        for name in self.alerts:
            self.assertIn(f"`{name}`", table)

    def test_every_alert_fires_and_is_silent_as_its_case_says(self):
        status, said = promtool(["test", "rules", "cases.yaml"], self.rules, self.cases)
        self.assertEqual(0, status, said)

    def test_an_alert_that_never_fires_or_always_does_is_seen(self):
        for expression in ("vector(0) > 1", "vector(1)"):
            rules = copy.deepcopy(self.rules)
            for group in rules["groups"]:
                for rule in group["rules"]:
                    rule["expr"] = expression
            status, said = promtool(["test", "rules", "cases.yaml"], rules, self.cases)
            self.assertNotEqual(0, status)
            for name in self.alerts:
                with self.subTest(alert=name, expression=expression):
                    self.assertIn(f"alertname: {name}, time:", said)
