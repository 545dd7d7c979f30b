# SPDX-License-Identifier: Apache-2.0
"""Every command of the tutorials that need no network is typed as it stands there, and prints what stands there."""
import os
import pathlib
import subprocess
import tempfile
import unittest

from page import difference, shape_of, steps_of

ROOT = pathlib.Path(__file__).resolve().parents[2]
TUTORIALS = ROOT / "docs/tutorials"
WITHOUT_NETWORK = ["first_quantization.md", "first_sweep.md"]
PATIENCE_S = 300


def clone_like(folder: pathlib.Path) -> None:
    """What the pages name of a clone, so that what they write lies in a folder of its own."""
    for name in ("tests", "examples"):
        (folder / name).symlink_to(ROOT / name)
    (folder / "build/release").mkdir(parents=True)
    (folder / "build/release/bin").symlink_to(os.environ["LWQ_BIN"])


def type_all(page: pathlib.Path, folder: pathlib.Path) -> list[str]:
    """What was wrong, by line of the page. A shell's variables live from one block to the next."""
    wrong = []
    steps = steps_of(page)
    mark = "@@ end of a block @@"
    shell = subprocess.Popen(["bash", "--norc"], cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                             stderr=subprocess.STDOUT, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    script = "".join(f"{step.command}\ncode=$?; echo; echo '{mark}' $code\n" for step in steps)
    out, _ = shell.communicate(script, timeout=PATIENCE_S)
    outputs = out.split(mark)
    for i, step in enumerate(steps):
        if i + 1 >= len(outputs):
            return [*wrong, f"{page.name}:{step.line}: the shell ended: {out[-2000:]}"]
        code = outputs[i + 1].split("\n", 1)[0].strip()
        printed = outputs[i].split("\n", 1)[1] if i else outputs[i]
        if code != "0":
            wrong.append(f"{page.name}:{step.line}: exit code {code}: {printed[-2000:]}")
        if step.expected is not None:
            missed = difference(step.expected, printed.removesuffix("\n"))
            if missed:
                wrong.append(f"{page.name}:{step.line}: {missed}")
    return wrong


class TutorialsTest(unittest.TestCase):
    maxDiff = None

    def test_every_command_does_what_its_page_says(self):
        for name in WITHOUT_NETWORK:
            with self.subTest(page=name), tempfile.TemporaryDirectory() as folder:
                clone_like(pathlib.Path(folder))
                self.assertEqual(type_all(TUTORIALS / name, pathlib.Path(folder)), [])

    def test_every_tutorial_is_run_by_somebody(self):
        pages = {path.name for path in TUTORIALS.glob("*.md")}
        self.assertEqual(pages, set(WITHOUT_NETWORK))


class PageTest(unittest.TestCase):
    """The comparison itself: what a page says wrongly is seen."""

    def test_numbers_times_and_ids_stand_for_others(self):
        for page, other in [("steps  192", "steps    7"), ("took 43.2 s", "took 1:31"), ("4563c1e318ec", "0802e43f9a1b"),
                            ("54ac0b1b  done", "0802e43f  done"), ("2026-12-01 14:07:12 UTC", "2027-01-31 01:02:03 UTC")]:
            self.assertEqual(difference(page, other), "", (page, other, shape_of(page), shape_of(other)))

    def test_other_words_more_lines_and_missing_lines_are_differences(self):
        for page, other in [("succeeded", "failed"), ("a", "a\nb"), ("a\nb", "a"), ("a\n…\nc", "a\nb"), ("steps 3", "steps many"),
                            ("deadbeef", "cafecafe")]:
            self.assertNotEqual(difference(page, other), "", (page, other))

    def test_an_ellipsis_is_any_lines(self):
        for page, other in [("a\n…\nc", "a\nc"), ("a\n…\nc", "a\nb\nb\nc"), ("…", ""), ("…\nb", "a\nb"), ("a\n…", "a\nb\nc")]:
            self.assertEqual(difference(page, other), "", (page, other))

    def test_outputs_belong_to_the_command_before_them(self):
        with tempfile.TemporaryDirectory() as folder:
            page = pathlib.Path(folder) / "page.md"
            page.write_text("```bash\na\n```\n```text\nb\n```\nwords\n```sh\nc\n```\n```bash\nd\n```\n", encoding="utf-8")
            self.assertEqual([(step.command, step.expected) for step in steps_of(page)], [("a", "b"), ("d", None)])
            page.write_text("```bash\na\n```\nwords\n```text\nb\n```\n", encoding="utf-8")
            with self.assertRaises(ValueError):
                steps_of(page)


if __name__ == "__main__":
    unittest.main()
