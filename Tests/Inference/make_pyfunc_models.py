# Fills PyfuncModels with what MLflow itself writes for the two programs in `code`, and for one without a signature.
import logging
import pathlib
import shutil
import warnings

warnings.filterwarnings("ignore")
logging.disable(logging.WARNING)

import mlflow.pyfunc
import numpy
import pandas
from mlflow.models import infer_signature

folder = pathlib.Path(__file__).parent / "PyfuncModels"


def save(name, code, signature):
    place = folder / name / "1"
    shutil.rmtree(place, ignore_errors=True)
    mlflow.pyfunc.save_model(place, python_model=str(folder / "code" / f"{code}.py"), signature=signature, pip_requirements=[])
    # MLflow notes where the program lay, and reads the copy beside the note.
    note = place / "MLmodel"
    note.write_text(note.read_text().replace(f"{folder / 'code'}/", ""))
    # What only an environment of its own would need.
    for file in ("conda.yaml", "python_env.yaml"):
        (place / file).unlink()


x = numpy.array([[1.0, 2.0], [3.0, 4.0]], dtype=numpy.float32)
save("doubling", "doubling", infer_signature(x, x * 2))
save("unsigned", "doubling", None)
rows = pandas.DataFrame({"a": [1.0, 2.0], "b": [1, 2], "word": ["x", "y"]})
answers = pandas.DataFrame({"total": [2.0, 4.0], "label": ["X", "Y"], "big": [False, False]})
save("table", "table", infer_signature(rows, answers))
