# SPDX-License-Identifier: Apache-2.0
"""Runs the tests of a folder and writes a report of the form of GoogleTest's, so that scripts/test counts them.

    run_tests.py [--folder DIR] [--report FILE] [--promtool PATH] [PATTERN]     DIR: this one, unless given
                                                                               PATTERN: only tests whose name contains it
"""
import argparse
import json
import os
import pathlib
import sys
import time
import unittest


class Results(unittest.TextTestResult):
    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.cases = []

    def startTest(self, test):
        self.started = time.monotonic()
        super().startTest(test)

    def stopTest(self, test):
        super().stopTest(test)
        mine = [text for case, text in self.failures + self.errors
                if case is test or getattr(case, "test_case", None) is test]
        skipped = [case for case, _ in self.skipped if case is test]
        case = {"name": test._testMethodName.removeprefix("test_"), "status": "RUN",
                "result": "SKIPPED" if skipped else "COMPLETED", "time": f"{time.monotonic() - self.started:.3f}s"}
        if mine:
            case["failures"] = [{"failure": text, "type": ""} for text in mine]
        self.cases.append((type(test).__name__, case))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=pathlib.Path, default=pathlib.Path(__file__).parent)
    parser.add_argument("--report", type=pathlib.Path)
    parser.add_argument("--promtool")
    parser.add_argument("pattern", nargs="?", default="")
    options = parser.parse_args()
    if options.promtool:
        os.environ["PROMTOOL"] = options.promtool
    folder = options.folder.resolve()
    sys.path.insert(0, str(folder))
    loader = unittest.defaultTestLoader
    loader.testNamePatterns = [f"*{options.pattern}*"] if options.pattern else None
    results = unittest.TextTestRunner(resultclass=Results).run(loader.discover(str(folder), "*_test.py"))
    if options.report:
        suites = {}
        for name, case in results.cases:
            suites.setdefault(name, []).append(case)
        options.report.parent.mkdir(parents=True, exist_ok=True)
        options.report.write_text(json.dumps({"testsuites": [{"name": n, "testsuite": c} for n, c in suites.items()]}))
    return 0 if results.wasSuccessful() and results.testsRun else 1


if __name__ == "__main__":
    sys.exit(main())
