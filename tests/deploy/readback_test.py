# SPDX-License-Identifier: Apache-2.0
import unittest

from readback import lost_fields


class ReadbackTest(unittest.TestCase):
    def test_fields_that_the_server_adds_are_no_loss(self):
        self.assertEqual([], list(lost_fields({"a": {"b": 1}}, {"a": {"b": 1, "c": 2}, "status": {}})))

    def test_a_field_that_vanished_is_named(self):
        probe = {"livenessProbe": {"grpc": {"port": 7072, "mode": "TLS"}}}
        live = {"livenessProbe": {"grpc": {"port": 7072}}}
        self.assertEqual([".livenessProbe.grpc.mode vanished"], list(lost_fields(probe, live)))

    def test_a_value_that_became_another_is_named(self):
        self.assertEqual([".a[1].b: True became 'true'"],
                         list(lost_fields({"a": [{}, {"b": True}]}, {"a": [{}, {"b": "true"}]})))

    def test_lists_of_other_lengths_are_named(self):
        self.assertEqual([".a: 2 items became 1"], list(lost_fields({"a": [1, 2]}, {"a": [1]})))
        self.assertEqual([".a: 1 items became None"], list(lost_fields({"a": [1]}, {"a": None})))

    def test_an_empty_value_may_vanish(self):
        self.assertEqual([], list(lost_fields({"podSelector": {}, "volumes": []}, {})))

    def test_an_object_that_became_something_else_is_named(self):
        self.assertEqual([".a: 3"], list(lost_fields({"a": {"b": 1}}, {"a": 3})))
