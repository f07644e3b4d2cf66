# Makes a model repository of MLflow models for the tests: make_pyfunc_models.py FOLDER
import logging
import os
import sys
import warnings

warnings.filterwarnings("ignore")
logging.disable(logging.WARNING)

import mlflow.pyfunc
import numpy
import pandas
from mlflow.models import infer_signature


class Doubling(mlflow.pyfunc.PythonModel):
    """y = 2x; three values of x are an order: to die, to raise, to take very long."""

    def predict(self, context, model_input, params=None):
        if (model_input == 666).any():
            import signal

            os.kill(os.getpid(), signal.SIGKILL)
        if (model_input == 777).any():
            raise ValueError("no sevens here")
        if (model_input == 888).any():
            import time

            time.sleep(600)
        return model_input * 2


class Table(mlflow.pyfunc.PythonModel):
    def predict(self, context, model_input, params=None):
        total = model_input["a"] + model_input["b"]
        return pandas.DataFrame({"total": total, "label": model_input["word"].str.upper(), "big": total > 10})


def save(model, signature, folder):
    mlflow.pyfunc.save_model(folder, python_model=model, signature=signature, pip_requirements=[])


root = sys.argv[1]
x = numpy.array([[1.0, 2.0], [3.0, 4.0]], dtype=numpy.float32)
save(Doubling(), infer_signature(x, x * 2), f"{root}/doubling/1")
rows = pandas.DataFrame({"a": [1.0, 2.0], "b": [1, 2], "word": ["x", "y"]})
save(Table(), infer_signature(rows, Table().predict(None, rows)), f"{root}/table/1")
save(Doubling(), None, f"{root}/unsigned/1")
