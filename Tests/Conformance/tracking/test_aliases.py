"""The stock mlflow client against a tracking server that protects the alias 'champion' of 'tumor'.

SLIPWAY_TRACKING_URI: the server, with two versions of 'tumor' and 'champion' at version 1.
"""
import os
import unittest

from mlflow import MlflowClient
from mlflow.exceptions import RestException

CLIENT = MlflowClient(os.environ["SLIPWAY_TRACKING_URI"])


class ProtectedAliases(unittest.TestCase):
    def refused(self, call, *arguments):
        with self.assertRaisesRegex(RestException, "envs/dev/models/tumor.yaml") as caught:
            call(*arguments)
        self.assertEqual(caught.exception.error_code, "PERMISSION_DENIED")
        self.assertEqual(caught.exception.get_http_status_code(), 403)
        self.assertEqual(CLIENT.get_model_version_by_alias("tumor", "champion").version, "1")

    def test_protected(self):
        self.refused(CLIENT.set_registered_model_alias, "tumor", "champion", "2")
        self.refused(CLIENT.delete_registered_model_alias, "tumor", "champion")
        self.refused(CLIENT.delete_model_version, "tumor", "1")
        self.refused(CLIENT.delete_registered_model, "tumor")

    def test_others(self):
        CLIENT.set_registered_model_alias("tumor", "mine", "2")
        self.assertEqual(CLIENT.get_model_version_by_alias("tumor", "mine").version, "2")
        CLIENT.delete_registered_model_alias("tumor", "mine")


if __name__ == "__main__":
    unittest.main()
