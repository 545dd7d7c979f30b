# SPDX-License-Identifier: Apache-2.0
"""Adds up GoogleTest's JSON reports by suite; the exit code is 0 only if everything passed and something ran.

    summarize_tests.py REPORTS CTEST_STATUS [PAGE HEADING]

PAGE and HEADING: a page whose section of that heading has a table of tests that are known to differ, by their names in the
first column. Those must fail, but for rows whose second column begins with "On some CPUs", and the exit code is 0 if no
other does.
"""
import json
import pathlib
import re
import sys


def listed(page, heading):
    """Names in the first column of the section's tables, and whether the test must fail."""
    section = page.read_text().partition(f"\n{heading}\n")[2]
    if not section:
        raise SystemExit(f"summarize_tests: {page} has no heading '{heading}'")
    section = re.split(r"^#+ ", section, maxsplit=1, flags=re.MULTILINE)[0]
    rows = re.findall(r"^\| `([^`]+)` \| (.*)$", section, re.MULTILINE)
    return {name: not why.startswith("On some CPUs") for name, why in rows}


def failed_programs(reports):
    """What ctest says failed in its last run."""
    log = reports.parent / "Testing/Temporary/LastTestsFailed.log"
    return {line.partition(":")[2] for line in log.read_text().splitlines()} if log.exists() else set()


def main() -> int:
    reports = pathlib.Path(sys.argv[1])
    ctest_status = int(sys.argv[2])
    known = listed(pathlib.Path(sys.argv[3]), sys.argv[4]) if len(sys.argv) > 3 else {}
    totals = {"passed": 0, "failed": 0, "skipped": 0, "differ": 0}
    explained = set()  # programs of which a report says why they failed
    for suite in sorted(p for p in reports.iterdir() if p.is_dir()) if reports.is_dir() else []:
        counts = dict.fromkeys(totals, 0)
        for path in sorted(suite.glob("*.json")):
            for group in json.loads(path.read_text())["testsuites"]:
                for case in group["testsuite"]:
                    name = f"{group['name']}.{case['name']}"
                    if case.get("failures"):
                        explained.add(path.stem)
                        kind = "differ" if name in known else "failed"
                        print(f"{'differs, as listed' if name in known else 'failed'}: {name}")
                    elif case.get("result") == "SKIPPED" or case.get("status") == "NOTRUN":
                        kind = "skipped"
                        print(f"skipped: {name}")
                    elif known.get(name):
                        kind = "failed"
                        print(f"passes, though it is listed among those that differ: {name}")
                    else:
                        kind = "passed"
                    counts[kind] += 1
        print(f"{suite.name:12} {told(counts, known)}")
        for key, value in counts.items():
            totals[key] += value
    # A binary that crashed wrote no report: ctest knows.
    for program in sorted(failed_programs(reports) - explained) if ctest_status != 0 else []:
        totals["failed"] += 1
        print(f"{program} ended without a report of what failed: see above")
    if ctest_status != 0 and totals["failed"] + totals["differ"] == 0:
        totals["failed"] = 1
        print("ctest failed: see above")
    print(told(totals, known))
    return 0 if totals["failed"] == 0 and totals["passed"] > 0 else 1


def told(counts, known):
    differ = f"{counts['differ']} differ as listed, " if known else ""
    return f"{counts['passed']} passed, {differ}{counts['failed']} failed, {counts['skipped']} skipped"


sys.exit(main())
