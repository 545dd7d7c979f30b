# SPDX-License-Identifier: Apache-2.0
"""Adds up GoogleTest's JSON reports by suite; the exit code is 0 only if everything passed and something ran."""
import json
import pathlib
import sys


def main() -> int:
    reports = pathlib.Path(sys.argv[1])
    ctest_status = int(sys.argv[2])
    totals = {"passed": 0, "failed": 0, "skipped": 0}
    for suite in sorted(p for p in reports.iterdir() if p.is_dir()) if reports.is_dir() else []:
        counts = {"passed": 0, "failed": 0, "skipped": 0}
        for path in sorted(suite.glob("*.json")):
            for group in json.loads(path.read_text())["testsuites"]:
                for case in group["testsuite"]:
                    if case.get("failures"):
                        counts["failed"] += 1
                    elif case.get("result") == "SKIPPED" or case.get("status") == "NOTRUN":
                        counts["skipped"] += 1
                        print(f"skipped: {group['name']}.{case['name']}")
                    else:
                        counts["passed"] += 1
        print(f"{suite.name:12} {counts['passed']} passed, {counts['failed']} failed, {counts['skipped']} skipped")
        for key, value in counts.items():
            totals[key] += value
    # A binary that crashed wrote no report: ctest knows.
    if ctest_status != 0 and totals["failed"] == 0:
        totals["failed"] = 1
        print("a test program ended without a report: see above")
    print(f"{totals['passed']} passed, {totals['failed']} failed, {totals['skipped']} skipped")
    return 0 if ctest_status == 0 and totals["failed"] == 0 and totals["passed"] > 0 else 1


sys.exit(main())
